"""Metrics with 95% intervals for images that come in prompts: images of one prompt are alike, not independent.

Nothing here draws random numbers: the same values and prompts give the same metric. What the intervals mean and how
often they hold the truth: docs/statistics.md; the simulation behind it: tests/intervals/coverage.py.
"""

from __future__ import annotations

from erasebench.metrics.statistics.repeats import pooled_pairing, repeated_difference, repeated_value
from erasebench.metrics.statistics.sample import Sample
from erasebench.metrics.statistics.values import composite_value, difference_value, mean_value

__all__ = [
    "Sample",
    "composite_value",
    "difference_value",
    "mean_value",
    "pooled_pairing",
    "repeated_difference",
    "repeated_value",
]
