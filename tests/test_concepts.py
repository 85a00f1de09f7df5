from __future__ import annotations

import pytest
from pydantic import ValidationError

from erasebench.api.concepts import Concept, ErasureTask

ANN = Concept(name="Ann Ash", kind="person", anchor="a person")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"concepts": (ANN, ANN)}, "listed twice"),
        ({"concepts": (ANN, Concept(name="cat", kind="object", anchor="sky"))}, "different kinds"),
        ({"concepts": (ANN,), "keep": ("Ann Ash",)}, "both erased and kept"),
        ({"concepts": ()}, "at least 1"),
        ({"concepts": (ANN,), "synonyms": ("Annie",)}, "Extra inputs"),
    ],
)
def test_a_task_that_contradicts_itself_is_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ErasureTask.model_validate(fields)


def test_a_task_has_the_kind_of_its_concepts() -> None:
    assert ErasureTask(concepts=(ANN,)).kind == "person"


def test_names_and_anchors_keep_the_order_of_the_concepts() -> None:
    task = ErasureTask(concepts=(ANN, Concept(name="Al Ash", kind="person", anchor="a man")))
    assert task.names == ("Ann Ash", "Al Ash")
    assert list(task.anchors.items()) == [("Ann Ash", "a person"), ("Al Ash", "a man")]
    assert set(task.model_dump()) == {"concepts", "keep", "prior_captions"}
