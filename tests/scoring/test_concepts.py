"""Whom and what a prompt is about, where no table says it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import pytest

from erasebench.api.judge import Pixels
from erasebench.api.world import load_world
from erasebench.judges.recogniser import IdentityJudge, Recognition
from erasebench.judges.unknown_names import warn_of_unknown
from erasebench.scoring.concepts import class_in, concepts_of, person_in
from erasebench.scoring.matching import Entry

KNOWN = {"prince": "Prince", "beyonce": "Beyonc\u00e9", "adamdriver": "Adam Driver"}


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


class OfLabels:
    """A recogniser by its labels alone: nothing here looks at a picture."""

    names = ("Beyonce", "Ren\u00e9e Zellweger")

    def identity(self) -> dict[str, Any]:
        return {"weights": "none"}

    def recognise(self, images: Sequence[Pixels]) -> list[Recognition]:
        raise AssertionError("no picture is asked about")


@pytest.mark.parametrize("spelt", ["Beyonc\u00e9", "Beyonce\u0301", "BEYONCE"])
@pytest.mark.parametrize("by", ["table", "prompt"])
def test_a_person_is_known_with_accents_and_without(spelt: str, by: str, caplog: pytest.LogCaptureFixture) -> None:
    judge = IdentityJudge(OfLabels())
    names = [spelt, "Renee Zellweger", "Nobody Else"]
    concepts = names if by == "table" else [""] * 3
    entries = [
        Entry(None, "all", concept, f"A portrait of {name}", 1) for name, concept in zip(names, concepts, strict=True)
    ]
    found = concepts_of(judge, entries, load_world("miniature")).concepts
    assert found == ["Beyonce", "Ren\u00e9e Zellweger", "Nobody Else"]
    with caplog.at_level(logging.WARNING):
        assert warn_of_unknown(judge, found, "gcd") == ("Nobody Else",)


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


def test_a_letter_that_only_matches_without_case_names_no_class() -> None:
    assert class_in("a photo of a sh\u0131p", {"ship": "ship"}) == ""
    assert class_in("a photo of a SHIP", {"ship": "ship"}) == "ship"
