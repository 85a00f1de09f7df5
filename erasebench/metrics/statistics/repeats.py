"""Metrics of a method that erased several times under several seeds: their mean, their spread, an interval of both.

Two kinds of luck are in it. The prompts' is the same in every repeat, since all are judged on the same prompts: it
does not shrink with their number R. The training's does: its part of the variance is that over the seeds divided by R.
Degrees of freedom: Satterthwaite (1946, Biometrics Bulletin 2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import ndtri, stdtrit  # type: ignore[import-untyped]

from erasebench.api.value import MetricValue, Pairing, Tally, TallyCell
from erasebench.metrics.statistics.intervals import TAIL


def repeated_value(repeats: Sequence[MetricValue], *, never_negative: bool = False) -> MetricValue:
    """The mean over repeats, with `spread` (SD over seeds, n - 1) and a 95% interval that holds both kinds of luck.

    A metric that one repeat could not score is unscored, with that repeat's reason; what any repeat says beside its
    interval is kept. `never_negative`: no value can lie below zero (counts and fractions never do).
    """
    counts: dict[str, Any] = {
        "n_scored": sum(each.n_scored for each in repeats),
        "n_expected": sum(each.n_expected for each in repeats),
        "unit": repeats[0].unit,
    }
    reason = next((each.reason for each in repeats if each.value is None), None)
    values = [each.value for each in repeats if each.value is not None]
    if len(values) < len(repeats):
        return MetricValue(value=None, reason=reason, **counts)
    mean, spread = float(np.mean(values)), float(np.std(values, ddof=1))
    lows, highs = ([end for each in repeats if (end := getattr(each, name)) is not None] for name in ("low", "high"))
    if len(lows) < len(repeats):
        return MetricValue(value=mean, spread=spread, reason=_without_interval(repeats), **counts)
    low = mean - _with_luck(mean - float(np.mean(lows)), spread, len(repeats))
    high = mean + _with_luck(float(np.mean(highs)) - mean, spread, len(repeats))
    if never_negative or repeats[0].unit in ("fraction", "count"):
        low = max(low, min(0.0, mean))
    if repeats[0].unit == "fraction":
        high = min(high, max(1.0, mean))
    noted = "; ".join(dict.fromkeys(each.reason for each in repeats if each.reason)) or None
    return MetricValue(value=mean, low=min(low, mean), high=max(high, mean), spread=spread, reason=noted, **counts)


def repeated_difference(difference: MetricValue, value: float, spreads: Sequence[tuple[float, int]]) -> MetricValue:
    """A paired difference on the prompts widened by the luck of training; `value` is the difference of the means.

    difference: of the pooled repeats, with the prompts' interval. spreads: of each method that was repeated, the SD
    over its seeds and how many there are. Without any it is `difference` itself.
    """
    if not spreads or difference.value is None or difference.low is None or difference.high is None:
        return difference
    below, above = (
        _combined(reach, [(spread**2 / count, count - 1) for spread, count in spreads])
        for reach in (difference.value - difference.low, difference.high - difference.value)
    )
    return difference.model_copy(update={"value": value, "low": value - below, "high": value + above})


def pooled_pairing(repeats: Sequence[Pairing | None]) -> Pairing | None:
    """What pairs need, the repeats' images of each prompt added up; None where a repeat lacks it or rests on others."""
    first, kept = repeats[0], [each for each in repeats if each is not None]
    if first is None or len(kept) < len(repeats):
        return None
    if any(_clusters(each) != _clusters(first) for each in kept):
        return None
    parts = {name: _added([each.parts[name] for each in kept]) for name in first.parts}
    return first.model_copy(update={"parts": parts})


def _without_interval(repeats: Sequence[MetricValue]) -> str:
    """Why there is no interval: the reason that all repeats give, or of how many it is the reason."""
    reasons = [each.reason or "" for each in repeats if each.low is None]
    said = "; ".join(dict.fromkeys(reasons))
    return said if len(reasons) == len(repeats) else f"no interval for {len(reasons)} of {len(repeats)} seeds: {said}"


def _with_luck(reach: float, spread: float, repeats: int) -> float:
    return _combined(reach, [(spread**2 / repeats, repeats - 1)])


def _combined(reach: float, luck: Sequence[tuple[float, int]]) -> float:
    """How far an end lies from the value: `reach` on the prompts alone, and variances of seeds with their degrees.

    The prompts' reach has its own degrees of freedom in it already and counts as a normal one here.
    """
    variance = (reach / float(-ndtri(TAIL))) ** 2
    seeds = sum(part for part, _ in luck)
    if seeds == 0.0:
        return reach
    freedom = (variance + seeds) ** 2 / sum(part**2 / degrees for part, degrees in luck)
    return float(-stdtrit(freedom, TAIL) * np.sqrt(variance + seeds))


def _added(tallies: Sequence[Tally]) -> Tally:
    columns = zip(*(tally.cells() for tally in tallies), strict=True)
    cells = (
        TallyCell(cells[0].cluster, sum(cell.total for cell in cells), sum(cell.images for cell in cells))
        for cells in columns
    )
    return Tally.of(cells, fraction=tallies[0].fraction)


def _clusters(pairing: Pairing) -> dict[str, list[int]]:
    return {name: [cell.cluster for cell in part.cells()] for name, part in pairing.parts.items()}
