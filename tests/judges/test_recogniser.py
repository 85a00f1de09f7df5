from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from erasebench.api.judge import MISSING, NO_FACE, SCORED, Pixels
from erasebench.judges.recogniser import IdentityJudge, Recognition


class ByColour:
    """Red pictures are Ann, green ones are Bob, black ones hold no face."""

    names = ("Ann", "Bob")

    def identity(self) -> dict[str, Any]:
        return {"weights": "none"}

    def recognise(self, images: Sequence[Pixels]) -> list[Recognition]:
        found = []
        for image in images:
            red, green, _ = image.mean(axis=(0, 1))
            found.append(Recognition(None, 0.0) if red == green == 0 else Recognition("Ann" if red else "Bob", 0.9))
        return found


def _flat(red: int, green: int) -> np.ndarray:
    return np.tile(np.array([red, green, 0], dtype=np.uint8), (4, 4, 1))


def test_a_picture_without_a_face_is_an_outcome_of_its_own() -> None:
    rows = pd.DataFrame({"concept": ["Ann"] * 4}, index=[3, 1, 4, 9])
    judged = IdentityJudge(ByColour()).judge([_flat(9, 0), _flat(0, 0), None, _flat(0, 9)], rows)
    assert list(judged["outcome"]) == [SCORED, NO_FACE, MISSING, SCORED]
    assert judged["predicted"].iloc[0] == "Ann" and judged["predicted"].iloc[3] == "Bob"
    assert judged["predicted"].iloc[[1, 2]].isna().all()
    assert judged["confidence"].iloc[[1, 2]].isna().all()


def test_identity_names_the_recogniser_and_the_source() -> None:
    identity = IdentityJudge(ByColour()).identity()
    assert identity["recogniser"] == {"weights": "none"}
    assert identity["names"] == 2
    assert len(identity["source"]) == 64
