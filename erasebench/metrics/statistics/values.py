"""Metrics for records, from samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from erasebench.api.value import MetricValue, Unit
from erasebench.metrics.statistics.combine import combined_limits, correlation
from erasebench.metrics.statistics.intervals import mean_limits
from erasebench.metrics.statistics.sample import Array, Sample

_MOST_EMPTY = 0.05
"""Prompts that could not be scored may be so many that as many others would come out without any, this often."""

NO_INTERVAL = "the interval is not a finite number"


def mean_value(sample: Sample, *, unit: Unit) -> MetricValue:
    """The mean over images with its 95% interval; unscored, with the sample's reason, where no image was scored."""
    return composite_value({"mean": sample}, lambda mean: mean, unit=unit)


def difference_value(
    first: Mapping[str, Sample], second: Mapping[str, Sample], formula: Callable[..., Any], *, unit: Unit
) -> MetricValue:
    """formula(first) - formula(second) of two methods on the SAME prompts and seeds, compared in pairs.

    Prompts that are hard for both cancel out, so this tells methods apart that their own two intervals do not.
    ValueError where the two have other parts or saw other prompts.
    """
    if first.keys() != second.keys() or any(set(first[name].labels) != set(second[name].labels) for name in first):
        raise ValueError("a paired difference needs the same parts and prompts on both sides")

    def difference(**means: Any) -> Any:
        ours, theirs = ({name: means[f"{side} {name}"] for name in first} for side in ("first", "second"))
        return formula(**ours) - formula(**theirs)

    sides = {"first": first, "second": second}
    parts = {f"{side} {name}": part for side, own in sides.items() for name, part in own.items()}
    return composite_value(parts, difference, unit=unit)


def composite_value(parts: Mapping[str, Sample], formula: Callable[..., Any], *, unit: Unit) -> MetricValue:
    """A metric computed from the means of its parts, e.g. h_c(acc_e=..., acc_s=...), with its 95% interval.

    `formula` takes the parts' means by name, and rises or falls with each throughout. Parts that share prompts err
    together, as far as their sums by prompt do; parts that share none independently. Counts are summed.
    """
    counts: dict[str, Any] = {
        "n_scored": sum(part.n_scored for part in parts.values()),
        "n_expected": sum(part.n_expected for part in parts.values()),
    }

    def of(name: str) -> str:
        return f"{name}: " if len(parts) > 1 else ""

    empty = [f"{of(name)}{part.unscored}" for name, part in parts.items() if part.n_scored == 0]
    if empty:
        return MetricValue(value=None, unit=unit, reason="; ".join(empty), **counts)
    value = float(formula(**{name: part.mean for name, part in parts.items()}))
    single = [f"{of(name)}one prompt only" for name, part in parts.items() if part.n_prompts == 1]
    if not single and any(_too_few_scored(part) for part in parts.values()):
        single = ["too few prompts could be scored"]
    if single:
        return MetricValue(value=value, unit=unit, reason="; ".join(single), **counts)
    limits = {name: mean_limits(part.sums, part.counts, fraction=part.fraction) for name, part in parts.items()}
    whole = combined_limits(formula, limits, lambda a, b: _correlation(parts[a], parts[b]))
    if not np.isfinite([whole.low, whole.high]).all():
        return MetricValue(value=value, unit=unit, reason=NO_INTERVAL, **counts)
    low, high = min(float(whole.low), value), max(float(whole.high), value)
    return MetricValue(value=value, low=low, high=high, unit=unit, **counts)


def _too_few_scored(part: Sample) -> bool:
    return bool((1.0 - part.n_prompts / len(part.labels)) ** len(part.labels) > _MOST_EMPTY)


def _correlation(first: Sample, second: Sample) -> float:
    """Of the two means; 0 where the samples share no prompt."""
    if not set(first.labels) & set(second.labels):
        return 0.0
    labels = list(dict.fromkeys([*first.labels, *second.labels]))
    fractions = first.fraction and second.fraction
    return float(correlation(_on(first, labels), _on(second, labels), fractions=fractions))


def _on(sample: Sample, labels: list[Any]) -> tuple[Array, Array]:
    """The sample's sums and counts on these prompts, 0 where it has none."""
    at = {label: index for index, label in enumerate(sample.labels)}
    places = np.array([at.get(label, -1) for label in labels])
    there = places >= 0
    return np.where(there, sample.sums[places], 0.0), np.where(there, sample.counts[places], 0.0)
