from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from erasebench.api.judge import MISSING, NOT_FINITE, NOT_RGB, SCORED, UNREADABLE, Judge, Picture, Pixels


class Brightness(Judge):
    """A judge of one line: the mean pixel."""

    name = "brightness"
    columns = ("mean",)

    def identity(self) -> dict[str, Any]:
        return {"judge": self.name}

    def score(self, images: Sequence[Pixels], rows: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"outcome": SCORED, "mean": [float(image.mean()) for image in images]})


def _rows(n: int) -> pd.DataFrame:
    return pd.DataFrame({"prompt": [f"p{at}" for at in range(n)]}, index=[10 * at for at in range(n)])


def _truncated() -> Image.Image:
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(stream, "PNG")
    return Image.open(io.BytesIO(stream.getvalue()[:2000]))


@pytest.mark.parametrize(
    ("picture", "outcome"),
    [
        (None, MISSING),
        (_truncated(), UNREADABLE),
        (np.full((4, 4, 3), np.nan, dtype=np.float32), NOT_FINITE),
        (np.full((4, 4, 3), np.inf), NOT_FINITE),
        (Image.new("L", (4, 4)), NOT_RGB),
        (Image.new("RGBA", (4, 4)), NOT_RGB),
        (Image.new("CMYK", (4, 4)), NOT_RGB),
        (np.zeros((4, 4), dtype=np.uint8), NOT_RGB),
        (np.zeros((0, 4, 3), dtype=np.uint8), NOT_RGB),
    ],
)
def test_a_broken_image_is_a_named_outcome_between_two_good_ones(picture: Picture, outcome: str) -> None:
    white = Image.new("RGB", (4, 4), "white")
    judged = Brightness().judge([white, picture, Image.new("RGB", (1, 1))], _rows(3))
    assert list(judged["outcome"]) == [SCORED, outcome, SCORED]
    assert list(judged.index) == [0, 10, 20]
    assert judged["mean"].iloc[[0, 2]].tolist() == [255.0, 0.0]
    assert pd.isna(judged["mean"].iloc[1])


def test_no_readable_image_at_all_still_gives_one_row_each() -> None:
    judged = Brightness().judge([None, None], _rows(2))
    assert list(judged["outcome"]) == [MISSING, MISSING]
    assert judged["mean"].isna().all()


def test_float_pixels_are_read_as_zero_to_one() -> None:
    judged = Brightness().judge([np.full((2, 2, 3), 0.2), np.full((2, 2, 3), 1.5)], _rows(2))
    assert judged["mean"].tolist() == [51.0, 255.0]


def test_images_and_rows_must_match() -> None:
    with pytest.raises(ValueError, match="1 images for 2 prompt rows"):
        Brightness().judge([None], _rows(2))


def test_duplicate_row_labels_do_not_mix_rows_up() -> None:
    rows = _rows(2).set_axis([7, 7], axis=0)
    judged = Brightness().judge([None, Image.new("RGB", (2, 2), "white")], rows)
    assert list(judged["outcome"]) == [MISSING, SCORED]
    assert judged["mean"].iloc[1] == 255.0
