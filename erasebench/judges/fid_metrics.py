"""How far the general group's pictures are from real ones: Frechet and kernel distance, N in the name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from erasebench.api.judge import SCORED
from erasebench.api.judge_metrics import Expected, Metrics
from erasebench.api.value import MetricValue
from erasebench.judges.distances import Interval, frechet_interval, kernel_interval
from erasebench.metrics.parts import MetricValues, unscored_value

if TYPE_CHECKING:
    from erasebench.judges.fid import FidJudge


class Reference(NamedTuple):
    """Features [m, d] of the reference images, and the family that names the metrics: "" (Inception) or "mini"."""

    features: np.ndarray
    family: str


BELOW_KERNEL = 2048
"""Below this many images the Frechet distance is badly biased, and the kernel distance stands beside it."""
NAMES = {"": ("fid", "kid"), "mini": ("fid_mini", "kd_mini")}
"""Names of the Frechet and the kernel distance by the family of the features: only Inception's are FID and KID."""


class DistanceMetrics(Metrics):
    """fid_<N> and kid_<N>, of a world's own features fid_mini_<N> and kd_mini_<N>; N images, part of the name.

    A distance compares sets of images: it has no value for one prompt and cannot be paired.
    """

    def of_suite(self, rows: pd.DataFrame) -> MetricValues:
        """None: a distance needs its reference, see `against`."""
        return {}

    def reference(self, judge: FidJudge, rows: pd.DataFrame) -> Reference:
        """What the scored ones of these rows (prompt, seed, outcome) are compared with.

        An image that could not be scored leaves both sides: they are always of the same prompts.
        """
        compared = judge.reference_for(rows[rows["outcome"] == SCORED])
        return Reference(compared.features, judge.extractor.family)

    def against(self, rows: pd.DataFrame, reference: Reference) -> MetricValues:
        """The distances of these rows' features from the reference's."""
        return distance_metrics(rows, reference)

    def expected(self, images: Mapping[str, int]) -> dict[str, Expected]:
        """The Frechet distance of the general group."""
        n = images["general"]
        return {f"{NAMES[''][0]}_{n}": Expected("distance", n)} if n else {}

    def can_give(self, name: str) -> bool:
        """Any distance, of whatever number of images."""
        return any(name.startswith(f"{each}_") for family in NAMES.values() for each in family)


def distance_metrics(rows: pd.DataFrame, reference: Reference) -> MetricValues:
    """Frechet and (below 2,048 images) kernel distance of the rows' features from the reference's.

    The number of images is part of each name ("fid_mini_256"). With fewer than two images there is nothing to compare:
    the metric is unscored, under the number of images that were expected.
    """
    scored = rows[rows["outcome"] == SCORED]
    n = len(scored)
    names = NAMES[reference.family][: 1 if n >= BELOW_KERNEL else 2]
    if n < 2:
        reason = "a distance needs at least two images"
        return {f"{name}_{len(rows)}": unscored_value("distance", len(rows), reason, n) for name in names}
    if len(reference.features) < 2:
        reason = "fewer than two reference images"
        return {f"{name}_{n}": unscored_value("distance", len(rows), reason, n) for name in names}
    features = np.stack(list(scored["features"]))
    clusters = scored["prompt"].to_numpy(dtype=str)
    of: tuple[Callable[[np.ndarray, np.ndarray, np.ndarray], Interval], ...] = (frechet_interval, kernel_interval)
    return {
        f"{name}_{n}": _metric(distance(features, reference.features, clusters), n, len(rows))
        for name, distance in zip(names, of, strict=False)
    }


def _metric(interval: Interval, n: int, expected: int) -> MetricValue:
    known = bool(np.isfinite([interval.low, interval.high]).all())
    return MetricValue(
        value=interval.value,
        low=interval.low if known else None,
        high=interval.high if known else None,
        n_scored=n,
        n_expected=expected,
        unit="distance",
        reason=None if known else "fewer than three prompts",
    )


FID = DistanceMetrics()
