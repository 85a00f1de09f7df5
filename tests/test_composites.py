from __future__ import annotations

import numpy as np
import pytest

from erasebench.metrics.composites import COMPOSITES, h_a, h_c, h_o, harmonic_mean


def test_h_c_of_the_paper() -> None:
    # MACE (arXiv 2403.06135), Table 4: 4.31 / 84.56 -> 89.78; 67.79 / 85.05 -> 46.72.
    assert h_c(acc_e=0.0431, acc_s=0.8456) == pytest.approx(0.8978, abs=5e-5)
    assert h_c(acc_e=0.6779, acc_s=0.8505) == pytest.approx(0.4672, abs=5e-5)


def test_h_o_of_the_paper() -> None:
    # MACE, Table 1, airplane, fmn: 96.76 / 98.32 / 94.15 -> 6.13.
    assert h_o(acc_e=0.9676, acc_s=0.9832, acc_g=0.9415) == pytest.approx(0.0613, abs=5e-5)


def test_h_a_is_a_difference() -> None:
    assert h_a(clip_e=22.59, clip_s=28.58) == pytest.approx(5.99)


def test_a_zero_part_makes_a_zero_mean_without_a_division() -> None:
    with np.errstate(all="raise"):
        assert h_c(acc_e=1.0, acc_s=0.9) == 0.0
        assert h_c(acc_e=0.0, acc_s=0.0) == 0.0
        assert np.array_equal(harmonic_mean(np.array([0.0, 1.0]), np.array([1.0, 1.0])), [0.0, 1.0])


@pytest.mark.parametrize("name", sorted(COMPOSITES))
def test_arrays_and_floats_agree(name: str) -> None:
    composite = COMPOSITES[name]
    rng = np.random.default_rng(0)
    parts = {part: rng.random(5) for part in composite.parts}
    one_by_one = [composite.formula(**{part: float(values[i]) for part, values in parts.items()}) for i in range(5)]
    assert composite.formula(**parts) == pytest.approx(one_by_one, rel=1e-12)
