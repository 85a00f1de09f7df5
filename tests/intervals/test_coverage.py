"""95% intervals hold the truth as often as they say, over prompts, correlations and rates; see coverage.py."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from erasebench.metrics.statistics.intervals import mean_limits
from tests.intervals.coverage import TRIALS, Setting, cells, failing


@pytest.mark.slow
def test_every_cell_covers_93_percent_and_with_many_prompts_not_much_over_97() -> None:
    found = list(cells())
    assert Counter(cell.what for cell in found).keys() == {"rate", "H_c", "difference", "H_c difference"}
    print(*found, sep="\n")  # the mean widths beside; pytest -s shows them
    assert not failing(found, TRIALS)


def test_five_prompts_of_fifty_alike_images_cover() -> None:
    """Bootstrap intervals covered 80% here."""
    rng = np.random.default_rng(0)
    setting = Setting(trials=2000, prompts=5, images=50, rho=0.3)
    (hits,) = setting.hits(rng, 0.1)
    cell = setting.cell("rate", (0.1,), mean_limits(hits, setting.counts, fraction=True), 0.1)
    assert cell.coverage >= 0.93
    assert cell.width < 0.75


def test_a_simulated_prompt_has_the_correlation_that_was_asked_for() -> None:
    (hits,) = Setting(trials=1, prompts=20_000, images=10, rho=0.3).hits(np.random.default_rng(1), 0.2)
    effect = hits.var() / (10 * 0.2 * 0.8)
    assert hits.mean() / 10 == pytest.approx(0.2, abs=0.01)
    assert effect == pytest.approx(1 + 9 * 0.3, rel=0.03)
