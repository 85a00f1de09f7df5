"""What every judge is: images and their prompt rows in, one row per image out; and what its rows add up to.

A package that brings a judge declares it in its own pyproject.toml; suites then name it as they name ours:

    [project.entry-points."erasebench.judges"]
    sharpness = "their_package.sharpness:Sharpness"
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, TypeAlias

import numpy as np
import pandas as pd
from PIL import Image

from erasebench.api.judge_metrics import JudgeConfig, Metrics

SCORED = "scored"
NO_FACE = "no-face"
MISSING = "missing"
UNREADABLE = "unreadable"
NOT_FINITE = "not-finite"
NOT_RGB = "not-rgb"
BROKEN = (MISSING, UNREADABLE, NOT_FINITE, NOT_RGB)
"""Outcomes of an image that no judge could look at. It stays in the denominator's report, never in a score."""

Picture: TypeAlias = Image.Image | np.ndarray | None
Pixels: TypeAlias = np.ndarray
"""uint8 [height, width, 3], RGB."""


def open_picture(picture: Picture) -> tuple[Pixels | None, str]:
    """Pixels of one image, or None with the outcome that names what is wrong with it.

    Accepts an RGB PIL image, a uint8 array [h, w, 3], a float array [h, w, 3] in [0, 1], or None for an image that
    was never made. A truncated file, NaN or infinite pixels and any other mode or shape are named, never repaired.
    """
    if picture is None:
        return None, MISSING
    if isinstance(picture, Image.Image):
        if picture.mode != "RGB":
            return None, NOT_RGB
        try:
            picture = np.asarray(picture)
        except (OSError, SyntaxError):  # PIL reads lazily and reports a broken PNG chunk as SyntaxError
            return None, UNREADABLE
    if picture.ndim != 3 or picture.shape[2] != 3 or 0 in picture.shape:
        return None, NOT_RGB
    if picture.dtype == np.uint8:
        return picture, SCORED
    if not np.isfinite(picture).all():
        return None, NOT_FINITE
    return (np.clip(picture, 0, 1) * 255).round().astype(np.uint8), SCORED


class Judge(ABC):
    """Looks at images and writes one row for each.

    A subclass names its `columns` and scores readable images in `score`; `judge` sees to the rest, so that a broken
    image is a named outcome in every judge alike. A row depends on its own image and prompt alone: batch size and
    order change it by float rounding at most.
    """

    name: ClassVar[str]
    columns: ClassVar[tuple[str, ...]]
    Config: ClassVar[type[JudgeConfig]] = JudgeConfig
    metrics: ClassVar[Metrics | None] = None
    """What its rows add up to; None: what is declared under its name in `erasebench.api.judges.OWN`."""

    @classmethod
    def open(cls, config: JudgeConfig, device: str) -> Judge:
        """A judge for a run, of those that a package brings. UserError says which weights are missing."""
        return cls() if cls.Config is JudgeConfig else cls(config)  # type: ignore[call-arg]

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """Everything that decides a row: weights digest, settings, digest of the judge's own source."""

    @abstractmethod
    def score(self, images: Sequence[Pixels], rows: pd.DataFrame) -> pd.DataFrame:
        """Columns `outcome` and `self.columns` for readable images, in order; `rows` are their prompt-table rows."""

    def judge(self, images: Sequence[Picture], rows: pd.DataFrame) -> pd.DataFrame:
        """One row per image with the index of `rows`: `outcome` ("scored" or a named reason) and `self.columns`.

        Columns of an unscored image are missing values. ValueError where images and rows differ in number.
        """
        if len(images) != len(rows):
            raise ValueError(f"{self.name}: {len(images)} images for {len(rows)} prompt rows")
        opened = [open_picture(picture) for picture in images]
        outcomes = pd.Series([outcome for _, outcome in opened], dtype="object")
        kept = [(at, pixels) for at, (pixels, _) in enumerate(opened) if pixels is not None]
        if kept:
            positions = [at for at, _ in kept]
            scored = self.score([pixels for _, pixels in kept], rows.iloc[positions])
            scored = scored.set_axis(positions, axis=0).reindex(index=range(len(rows)))
        else:
            scored = pd.DataFrame(index=range(len(rows)), columns=["outcome", *self.columns], dtype="object")
        scored["outcome"] = scored["outcome"].astype("object").where(scored["outcome"].notna(), outcomes)
        return scored[["outcome", *self.columns]].set_axis(rows.index, axis=0)
