"""The differences of many records from one, computed together: of thousands of records, one by one takes minutes.

The numbers are those of `erasebench.metrics.statistics.difference_value`, bit for bit: the same functions, on arrays
with one row for each record.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from erasebench.api.value import MetricValue, Pairing, Unit
from erasebench.metrics.composites import FORMULAS
from erasebench.metrics.statistics.combine import combined_limits, correlation
from erasebench.metrics.statistics.intervals import mean_limits
from erasebench.metrics.statistics.sample import Array, Sample

FEWEST = 5
"""Prompts of a part, half of them scored, from which on there are never too few for an interval."""


class _Part(NamedTuple):
    """One part of the metric: its prompts, and the sums and counts of one record [prompts] or of all [n, prompts]."""

    labels: list[Any]
    sums: Array
    counts: Array
    fraction: bool


def differences_from(records: Sequence[Pairing], best: Pairing, unit: Unit) -> dict[int, MetricValue]:
    """By place in `records`, formula(record) - formula(best) with its interval, in pairs.

    All have to rest on the prompts of `best`, and to have the same parts in the same order. Places are left out where
    a part has few prompts or no finite interval comes of it: `difference_value` says of those what there is to say.
    """
    samples = [{name: Sample.from_tally(part) for name, part in each.parts.items()} for each in records]
    theirs = {name: Sample.from_tally(part) for name, part in best.parts.items()}
    places = [at for at, own in enumerate(samples) if all(map(_has_interval, (*own.values(), *theirs.values())))]
    if not places:
        return {}
    first = {name: _together([samples[at][name] for at in places]) for name in samples[places[0]]}
    second = {name: _Part(own.labels, own.sums, own.counts, own.fraction) for name, own in theirs.items()}
    sides = {"first": first, "second": second}
    parts = {f"{side} {name}": part for side, own in sides.items() for name, part in own.items()}
    formula, scale = FORMULAS[best.formula], best.scale

    def difference(**means: Any) -> Any:
        ours, other = ({name: means[f"{side} {name}"] for name in first} for side in sides)
        return scale * formula(**ours) - scale * formula(**other)

    limits = {name: mean_limits(part.sums, part.counts, fraction=part.fraction) for name, part in parts.items()}
    whole = combined_limits(difference, limits, lambda a, b: _correlation(parts[a], parts[b]))
    images = [sum(int(own.counts.sum()) for own in (*samples[at].values(), *theirs.values())) for at in places]
    return {
        at: MetricValue(value=value, low=min(low, value), high=max(high, value), n_scored=n, n_expected=n, unit=unit)
        for at, value, low, high, n in zip(places, *(each.tolist() for each in whole), images, strict=True)
        if np.isfinite([value, low, high]).all()
    }


def _has_interval(sample: Sample) -> bool:
    # Stricter than the rule of one by one, which also has the words for those that have none.
    return len(sample.labels) >= FEWEST and 2 * sample.n_prompts >= len(sample.labels)


def _together(samples: Sequence[Sample]) -> _Part:
    sums, counts = (np.stack(each) for each in zip(*((own.sums, own.counts) for own in samples), strict=True))
    return _Part(samples[0].labels, sums, counts, samples[0].fraction)


def _correlation(first: _Part, second: _Part) -> Array | float:
    """Of the two means of each record; 0 where the parts share no prompt."""
    if not set(first.labels) & set(second.labels):
        return 0.0
    labels = list(dict.fromkeys([*first.labels, *second.labels]))
    fractions = first.fraction and second.fraction
    return correlation(_on(first, labels), _on(second, labels), fractions=fractions)


def _on(part: _Part, labels: list[Any]) -> tuple[Array, Array]:
    """The part's sums and counts on these prompts, 0 where it has none."""
    at = {label: index for index, label in enumerate(part.labels)}
    places = np.array([at.get(label, -1) for label in labels])
    there = places >= 0
    # take, whose rows lie in one piece: the order of a sum, and so its last digit, depends on it.
    sums, counts = (np.take(each, places, axis=-1) for each in (part.sums, part.counts))
    return np.where(there, sums, 0.0), np.where(there, counts, 0.0)
