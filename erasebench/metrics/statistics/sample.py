"""The values of one part of a metric, gathered by prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from erasebench.api.value import Tally, TallyCell

Array: TypeAlias = NDArray[np.float64]


class Sample:
    """One value per image and the prompt that it was sampled from, gathered by prompt.

    values: float [n], NaN = unscored. prompts: n labels, equal for the seeds of one prompt. fraction: the values are
    shares in [0, 1] (right or wrong, face or none). expected: how many images the protocol asks for, where more than n.
    unscored: what it means that no image could be scored, for the metric's reason ("no face in any image").
    """

    def __init__(
        self,
        values: ArrayLike,
        prompts: Sequence[Any] | pd.Series[Any] | NDArray[Any],
        *,
        fraction: bool,
        expected: int | None = None,
        unscored: str = "no image could be scored",
    ) -> None:
        array = np.asarray(values, dtype=np.float64)
        codes, labels = pd.factorize(np.asarray(prompts, dtype=object))
        if array.shape != codes.shape or (codes < 0).any():
            raise ValueError(f"{array.shape} values need as many prompts, none of them missing, not {codes.shape}")
        scored = ~np.isnan(array)
        self.labels: list[Any] = list(labels)
        self.sums: Array = np.asarray(
            np.bincount(codes[scored], weights=array[scored], minlength=len(labels)), dtype=np.float64
        )
        self.counts: Array = np.asarray(np.bincount(codes[scored], minlength=len(labels)), dtype=np.float64)
        self.n_scored = int(scored.sum())
        self.n_expected = len(array) if expected is None else expected
        self.fraction = fraction
        self.unscored = unscored

    @classmethod
    def from_tally(cls, tally: Tally) -> Self:
        """The sample that `tally` kept; how many images were expected and why any were unscored is not in it."""
        sample = cls([], [], fraction=tally.fraction)
        cells = tally.cells()
        sample.labels = [cell.cluster for cell in cells]
        sample.sums = np.array([cell.total for cell in cells])
        sample.counts = np.array([float(cell.images) for cell in cells])
        sample.n_scored = sample.n_expected = int(sample.counts.sum())
        return sample

    def tally(self, numbers: Mapping[Any, int]) -> Tally:
        """What a record keeps of the sample, its prompts (or seeds) by their `numbers`; sums to six decimals."""
        cells = zip(self.labels, self.sums, self.counts, strict=True)
        return Tally.of(
            (TallyCell(numbers[label], float(total), int(count)) for label, total, count in cells),
            fraction=self.fraction,
        )

    @property
    def mean(self) -> float:
        """The mean over the scored images; NaN where there is none."""
        return float(self.sums.sum() / self.n_scored) if self.n_scored else float("nan")

    @property
    def n_prompts(self) -> int:
        """Prompts with at least one scored image."""
        return int((self.counts > 0).sum())
