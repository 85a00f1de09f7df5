"""Whom and what a prompt is about, where no table says it."""

from __future__ import annotations

import pytest

from erasebench.scoring.concepts import class_in, person_in

KNOWN = {"prince": "Prince", "beyonce": "Beyonc\u00e9", "beyonc\u00e9": "Beyonc\u00e9", "adamdriver": "Adam Driver"}


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("A portrait of Prince", "Prince"),
        ("a sketch of ADAM DRIVER", "Adam Driver"),
        ("A_portrait_of_Adam_Driver", "Adam Driver"),
        ("Beyonce in an official photo", "Beyonc\u00e9"),
        ("Adam Driver", "Adam Driver"),
        ("A portrait of Prince Harry", "Prince Harry"),
        ("An image capturing Prince Harry at a public event", "Prince Harry"),
        ("A portrait of a prince", ""),
        ("a prince on a horse", ""),
        ("Prince and Adam Driver on a stage", ""),
        ("", ""),
    ],
)
def test_a_person_is_what_a_template_leaves_whole(prompt: str, name: str) -> None:
    assert person_in(prompt, KNOWN) == name


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("a photo of the cat", "cat"),
        ("a red Car", "automobile"),
        ("a cat and a dog", ""),
        ("a catfish", ""),
        ("two cats", ""),
        ("a car, an automobile", "automobile"),
    ],
)
def test_a_class_is_the_only_one_that_a_prompt_holds(prompt: str, name: str) -> None:
    assert class_in(prompt, {"cat": "cat", "dog": "dog", "automobile": "automobile", "car": "automobile"}) == name
