"""Metrics that cannot be had: a judge or a group of prompts that is missing is said, never left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd

from erasebench.api.judge_metrics import Metrics
from erasebench.metrics.parts import PARTS, MetricValues, unscored_value

_EVERY_PART = (*PARTS, "general")
_PART_OF = {"general": "general", "synonyms": "g"}
"""The groups that a suite can be without, and the part that each one is."""


class Unavailable(NamedTuple):
    """Why a judge could not judge, and the groups that it would have read."""

    reason: str
    groups: tuple[str, ...]


class NoPrompts(NamedTuple):
    """Why a group has no prompts, how many images were asked for, and the judges that would have read them."""

    images: int
    reason: str
    judges: tuple[str, ...]


def unavailable_metrics(metrics: Metrics, table: pd.DataFrame, missing: Unavailable) -> MetricValues:
    """The metrics that a judge with these metrics would have given on its groups of this table, unscored."""
    sizes = table["group"][table["group"].isin(missing.groups)].value_counts()
    images = {part: int(sum(sizes.get(group, 0) for group in groups)) for part, groups in PARTS.items()}
    images["general"] = int(sizes.get("general", 0))
    expected = metrics.expected(images)
    return {name: unscored_value(each.unit, each.images, missing.reason) for name, each in expected.items()}


def metrics_without_prompts(group: str, lacking: NoPrompts, metrics: Mapping[str, Metrics]) -> MetricValues:
    """The metrics that rest on a group without prompts, unscored: those that its judges would give with it alone."""
    part = _PART_OF.get(group)
    if part is None or (group == "general" and not lacking.images):
        return {}
    found: MetricValues = {}
    every = dict.fromkeys(_EVERY_PART, 1)
    for own in (metrics[name] for name in lacking.judges if name in metrics):
        without = own.expected(every | {part: 0})
        for name, each in own.expected(every | {part: max(1, lacking.images)}).items():
            if name not in without:
                found[name] = unscored_value(each.unit, lacking.images, lacking.reason)
    return found


def metrics_named(metrics: Metrics) -> frozenset[str]:
    """Every metric that these say they can give of a suite; a distance has the number of images in its name: here 1."""
    return frozenset(metrics.expected(dict.fromkeys(_EVERY_PART, 1)))
