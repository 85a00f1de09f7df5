"""The interval of a metric that is computed from several means: squares of what each part's limit does to it, added.

MOVER, the 'method of variance estimates recovery' (Zou and Donner 2008, Statistics in Medicine 27): a part's own
interval, with its lopsidedness, says how far the metric moves up and down. Parts on the same prompts err together: both
ends are scaled by how much that narrows or widens the standard error, so that what two methods share cancels wholly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any

import numpy as np

from erasebench.metrics.statistics.intervals import Limits, doubt, images_of_a_prompt
from erasebench.metrics.statistics.sample import Array


def combined_limits(
    formula: Callable[..., Any], parts: Mapping[str, Limits], correlation: Callable[[str, str], Array | float]
) -> Limits:
    """formula(**means) with its 95% interval, [...] as the parts'.

    `formula` rises or falls with each part throughout. `correlation` of two parts' means by name: 0 where they share
    no prompts. The interval never reaches beyond what all parts at their worst ends together give.
    """
    means = {name: part.mean for name, part in parts.items()}
    value = np.asarray(formula(**means), dtype=np.float64)
    moved = {
        name: [np.asarray(formula(**means | {name: end}), dtype=np.float64) - value for end in (part.low, part.high)]
        for name, part in parts.items()
    }
    rises = {name: np.where(high >= low, 1.0, -1.0) for name, (low, high) in moved.items()}
    # How much the shared prompts narrow or widen the whole, by each part's middle reach.
    reach = {name: rises[name] * (np.abs(low) + np.abs(high)) / 2.0 for name, (low, high) in moved.items()}
    alone = sum(each**2 for each in reach.values())
    shared = sum(2.0 * correlation(a, b) * reach[a] * reach[b] for a, b in combinations(parts, 2))
    together = np.sqrt(np.divide(np.maximum(alone + shared, 0.0), alone, out=np.zeros_like(value), where=alone > 0))
    ends = []
    for toward in (-1.0, 1.0):
        up = {name: toward * rises[name] > 0 for name in parts}
        shifts = (np.where(up[name], high, low) for name, (low, high) in moved.items())
        worst = {name: np.where(up[name], part.high, part.low) for name, part in parts.items()}
        bound = np.abs(np.asarray(formula(**worst), dtype=np.float64) - value)
        ends.append(value + toward * np.minimum(together * np.sqrt(sum(each**2 for each in shifts)), bound))
    return Limits(value, ends[0], ends[1])


def correlation(first: tuple[Array, Array], second: tuple[Array, Array], *, fractions: bool) -> Array:
    """Of two means, each given as its sums and counts on the same prompts, [..., prompts]; 0 where one cannot vary.

    `fractions`: both are. Where few prompts, of several images each, hold all hits of one, that the two agree may be
    chance: that much is taken off.
    """
    ours, theirs = (_deviations(sums, counts) for sums, counts in (first, second))
    scale = np.sqrt((ours**2).sum(-1) * (theirs**2).sum(-1))
    together = (ours * theirs).sum(-1)
    found = np.asarray(np.divide(together, scale, out=np.zeros_like(scale), where=scale > 0))
    return found * (1.0 - np.maximum(_chance(*first), _chance(*second))) if fractions else found


def _chance(sums: Array, counts: Array) -> Array:
    return np.asarray(doubt(sums, counts) ** 2 * (1.0 - 1.0 / images_of_a_prompt(counts)))


def _deviations(sums: Array, counts: Array) -> Array:
    return np.asarray(sums - (sums.sum(-1) / np.broadcast_to(counts, sums.shape).sum(-1))[..., None] * counts)
