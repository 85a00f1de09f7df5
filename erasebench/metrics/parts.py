"""What the metrics share: the parts of a table, and what their intervals take as one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pandas as pd

from erasebench.api.judge import SCORED
from erasebench.api.value import MetricValue, Unit
from erasebench.metrics.statistics import Sample

MetricValues = dict[str, MetricValue]

RETAINED = ("retain-seen", "retain-heldout")
PARTS: dict[str, tuple[str, ...]] = {
    "e": ("erased",),
    "s": RETAINED,
    "s_seen": RETAINED[:1],
    "s_heldout": RETAINED[1:],
    "g": ("synonyms",),
}
"""The protocol's letters: erased, retained (specificity; seen and held-out ones apart too), synonyms (generality)."""


def parts_of(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Each part that has rows, and its rows."""
    for part, groups in PARTS.items():
        own = rows[rows["group"].isin(groups)]
        if len(own):
            yield part, own


def clustered(rows: pd.DataFrame, resampled: Literal["prompt", "seed"]) -> pd.DataFrame:
    """The rows with a column `cluster`: rows that share one are not independent.

    Images of one prompt are alike; under a few given prompts, images of one seed are, since they grow from one noise: a
    class and its synonym under the same seed can be the same picture.
    """
    return rows.assign(cluster=rows[resampled])


def column_mean(rows: pd.DataFrame, column: str, *, fraction: bool = False, unscored: str = "") -> Sample:
    """The values of one column, over the images that were scored."""
    values = rows[column].astype(float).where(rows["outcome"] == SCORED)
    return Sample(values, rows["cluster"], fraction=fraction, unscored=unscored or "no image could be scored")


def unscored_value(unit: Unit, expected: int, reason: str, n: int = 0) -> MetricValue:
    """A metric that has no value, and why."""
    return MetricValue(value=None, n_scored=n, n_expected=expected, unit=unit, reason=reason)
