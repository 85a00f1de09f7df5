from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import scipy.linalg
from cleanfid import fid as cleanfid

from erasebench.judges.distances import (
    Interval,
    frechet_distance,
    frechet_interval,
    gaussian,
    kernel_distance,
    kernel_interval,
)


def _features(n: int, width: int, seed: int, shift: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(width).normal(size=(width, width)) / np.sqrt(width)
    return rng.normal(size=(n, width)) @ mixing + shift


@pytest.mark.parametrize(("n", "width"), [(400, 32), (100, 64), (2000, 128)])
def test_frechet_distance_equals_clean_fids(n: int, width: int) -> None:
    a, b = gaussian(_features(n, width, 1)), gaussian(_features(n, width, 2, shift=0.1) * 1.2)
    theirs = cleanfid.frechet_distance(a.mean, a.covariance, b.mean, b.covariance)
    assert frechet_distance(a, b) == pytest.approx(float(theirs), rel=1e-8)


def test_frechet_distance_of_two_known_gaussians() -> None:
    a = gaussian(np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 2.0]]))
    b = a._replace(mean=a.mean + np.array([3.0, 4.0]), covariance=4 * a.covariance)
    # commuting covariances: |shift|^2 + sum of (standard deviation differences)^2 = 25 + 2 * (4/3) * (2 - 1)^2
    assert frechet_distance(a, b) == pytest.approx(25 + 8 / 3)


def test_equal_sets_are_at_distance_zero_even_when_the_covariance_is_singular() -> None:
    few = _features(20, 64, 3)
    assert frechet_distance(gaussian(few), gaussian(few)) == pytest.approx(0, abs=1e-6)


def test_fewer_images_than_features_agrees_with_a_plain_matrix_root() -> None:
    a, b = gaussian(_features(30, 48, 4)), gaussian(_features(40, 48, 5))
    root = scipy.linalg.sqrtm((a.covariance + 1e-12 * np.eye(48)) @ (b.covariance + 1e-12 * np.eye(48)))
    plain = ((a.mean - b.mean) ** 2).sum() + np.trace(a.covariance + b.covariance) - 2 * np.trace(np.real(root))
    assert frechet_distance(a, b) == pytest.approx(plain, rel=1e-4)


def test_a_covariance_needs_two_rows() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        gaussian(np.zeros((1, 4)))


def test_kernel_distance_by_the_definition() -> None:
    a, b = _features(7, 5, 6), _features(9, 5, 7, shift=0.3)

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / 5 + 1) ** 3)

    within_a = np.mean([kernel(a[i], a[j]) for i in range(7) for j in range(7) if i != j])
    within_b = np.mean([kernel(b[i], b[j]) for i in range(9) for j in range(9) if i != j])
    across = np.mean([kernel(x, y) for x in a for y in b])
    assert kernel_distance(a, b) == pytest.approx(within_a + within_b - 2 * across)


def test_kernel_distance_is_unbiased_on_small_samples() -> None:
    """Its mean over many draws of 12 from one distribution is zero within three standard errors; FID's is far off."""
    draws = [(_features(12, 8, 2 * seed), _features(12, 8, 2 * seed + 1)) for seed in range(400)]
    kernel = np.array([kernel_distance(a, b) for a, b in draws])
    assert abs(kernel.mean()) < 3 * kernel.std(ddof=1) / np.sqrt(len(kernel))
    assert np.mean([frechet_distance(gaussian(a), gaussian(b)) for a, b in draws[:50]]) > 0.5


def test_kernel_distance_over_many_blocks_equals_clean_fids_on_whole_sets() -> None:
    a, b = _features(2100, 8, 8), _features(2100, 8, 9, shift=0.2)
    theirs = cleanfid.kernel_distance(a, b, num_subsets=1, max_subset_size=2100)
    assert kernel_distance(a, b) == pytest.approx(theirs, rel=1e-9)


def test_intervals_hold_the_value_and_narrow_with_more_images() -> None:
    reference = _features(300, 6, 10)
    widths = []
    for n in (60, 400):
        features = _features(n, 6, 11, shift=0.5)
        clusters = np.array([f"prompt {at // 2}" for at in range(n)])
        for interval in (frechet_interval, kernel_interval):
            value, low, high = interval(features, reference, clusters)
            assert low < value < high
            widths.append(high - low)
    assert frechet_interval(features, reference, clusters).value == frechet_distance(
        gaussian(reference), gaussian(features)
    )
    assert kernel_interval(features, reference, clusters).value == pytest.approx(kernel_distance(features, reference))
    assert widths[2] < widths[0] and widths[3] < widths[1]


@pytest.mark.parametrize("interval", [frechet_interval, kernel_interval])
def test_the_interval_is_the_plain_leave_one_prompt_out_jackknife(interval: Callable[..., Interval]) -> None:
    features, reference, prompts = _features(20, 3, 13), _features(30, 3, 14), np.arange(20) // 2

    def distance(kept: np.ndarray) -> float:
        if interval is kernel_interval:
            return kernel_distance(features[kept], reference)
        return frechet_distance(gaussian(features[kept]), gaussian(reference))

    left_out = np.array([distance(prompts != prompt) for prompt in range(10)])
    half = 2.2621571627 * np.sqrt(0.9 * ((left_out - left_out.mean()) ** 2).sum())  # t(0.975) at 9 degrees of freedom
    value, _, high = interval(features, reference, prompts)
    assert (value, high) == pytest.approx((distance(prompts >= 0), distance(prompts >= 0) + half))


def test_the_kernel_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    reference = _features(40, 4, 12)
    truth = np.mean([kernel_distance(_features(200, 4, 5000 + s, shift=0.4), reference) for s in range(100)])
    held = 0
    for seed in range(100):
        low, high = kernel_interval(_features(40, 4, 9000 + seed, shift=0.4), reference, np.arange(40))[1:]
        held += int(low <= truth <= high)
    assert 85 <= held <= 100
