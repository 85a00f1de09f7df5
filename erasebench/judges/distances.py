"""Distances between two sets of image features: Frechet (FID) and kernel (KID), in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit  # type: ignore[import-untyped]

_BLOCK = 2048
_GROUPS = 64
_GROUPS_WIDE = 20
_WIDE = 512


class Gaussian(NamedTuple):
    """Mean [d] and covariance [d, d] of a feature set."""

    mean: np.ndarray
    covariance: np.ndarray


class Interval(NamedTuple):
    value: float
    low: float
    high: float


def gaussian(features: np.ndarray) -> Gaussian:
    """Mean and unbiased covariance of features [n, d], in float64. ValueError for fewer than two rows."""
    if len(features) < 2:
        raise ValueError(f"a covariance needs at least 2 feature rows, got {len(features)}")
    features = np.asarray(features, dtype=np.float64)
    return Gaussian(features.mean(axis=0), np.atleast_2d(np.cov(features, rowvar=False)))


def _root(covariance: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T


def frechet_distance(a: Gaussian, b: Gaussian) -> float:
    """|mu_a - mu_b|^2 + tr(A + B - 2 (A B)^1/2), never below zero.

    The trace of the root is the sum of the square roots of the eigenvalues of A^1/2 B A^1/2, which is symmetric: no
    matrix square root of a product, and rank-deficient covariances (fewer images than features) need no special case.
    """
    return _frechet(a, _root(a.covariance), b)


def _frechet(a: Gaussian, root_a: np.ndarray, b: Gaussian) -> float:
    product = root_a @ b.covariance @ root_a
    cross = np.sqrt(np.clip(np.linalg.eigvalsh((product + product.T) / 2), 0, None)).sum()
    shift = a.mean - b.mean
    return max(0.0, float(shift @ shift + np.trace(a.covariance) + np.trace(b.covariance) - 2 * cross))


def _kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    base: np.ndarray = a @ b.T / a.shape[1] + 1
    return base * base * base


def _kernel_sums(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """For each row of a, the sum of its kernel with every row of b; in blocks of bounded memory."""
    sums = np.zeros(len(a))
    for start in range(0, len(a), _BLOCK):
        for other in range(0, len(b), _BLOCK):
            sums[start : start + _BLOCK] += _kernel(a[start : start + _BLOCK], b[other : other + _BLOCK]).sum(axis=1)
    return sums


def _own_kernel(a: np.ndarray) -> np.ndarray:
    """The kernel of each row with itself."""
    base: np.ndarray = (a * a).sum(axis=1) / a.shape[1] + 1
    return base * base * base


def _within(a: np.ndarray) -> float:
    """Mean kernel over pairs of different rows."""
    return float((_kernel_sums(a, a) - _own_kernel(a)).sum() / (len(a) * (len(a) - 1)))


def kernel_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Unbiased squared maximum mean discrepancy of features [n, d] and [m, d], kernel (x.y/d + 1)^3.

    The whole U-statistic rather than an average over random subsets: no random numbers, the smallest variance. It can
    fall below zero where the sets do not differ. Binkowski et al., 'Demystifying MMD GANs' (2018), sec. 3 (KID).
    """
    if min(len(a), len(b)) < 2:
        raise ValueError(f"a kernel distance needs at least 2 feature rows a side, got {len(a)} and {len(b)}")
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    return _within(a) + _within(b) - 2 * float(_kernel_sums(a, b).mean()) / len(b)


def frechet_interval(features: np.ndarray, reference: np.ndarray, clusters: np.ndarray) -> Interval:
    """Frechet distance of features [n, d] from a fixed reference, with its 95% jackknife interval over clusters [n]."""
    fixed = gaussian(reference)
    root = _root(fixed.covariance)
    whole = gaussian(features)
    centred = np.asarray(features, dtype=np.float64) - whole.mean
    scatter = whole.covariance * (len(features) - 1)

    def without(left_out: np.ndarray) -> float:
        gone, n = centred[left_out], len(centred) - int(left_out.sum())
        mean = -gone.sum(axis=0) / n
        covariance = (scatter - gone.T @ gone - n * np.outer(mean, mean)) / (n - 1)
        return _frechet(fixed, root, Gaussian(whole.mean + mean, covariance))

    value, low, high = _jackknife(_frechet(fixed, root, whole), without, clusters, features.shape[1])
    return Interval(value, max(0.0, low), high)


def kernel_interval(features: np.ndarray, reference: np.ndarray, clusters: np.ndarray) -> Interval:
    """Kernel distance of features [n, d] from a fixed reference, with its 95% jackknife interval over clusters [n]."""
    a, b = np.asarray(features, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    constant, own = _within(b), _own_kernel(a)
    to_all, to_reference = _kernel_sums(a, a), _kernel_sums(a, b)

    def without(left_out: np.ndarray) -> float:
        gone, kept = a[left_out], ~left_out
        n = int(kept.sum())
        pairs = to_all.sum() - 2 * to_all[left_out].sum() + _kernel_sums(gone, gone).sum() - own[kept].sum()
        return float(pairs / (n * (n - 1)) + constant - 2 * to_reference[kept].mean() / len(b))

    return _jackknife(without(np.zeros(len(a), dtype=bool)), without, clusters, a.shape[1])


def _jackknife(value: float, without: Callable[[np.ndarray], float], clusters: np.ndarray, width: int) -> Interval:
    """Delete-a-group jackknife: `value` on all rows and its 95% interval, whole clusters kept together.

    A bootstrap would draw rows twice, and both distances take repeated rows for a narrower distribution, so that its
    interval lies above the value. Clusters beyond 64 (20 for wide features) share a group, which bounds the cost.
    """
    codes = np.unique(clusters, return_inverse=True)[1]
    groups = codes % (_GROUPS if width <= _WIDE else _GROUPS_WIDE)
    count = int(groups.max()) + 1
    if count < 3:
        return Interval(value, float("nan"), float("nan"))
    left_out = np.array([without(groups == group) for group in range(count)])
    spread = (count - 1) / count * ((left_out - left_out.mean()) ** 2).sum()
    half = float(stdtrit(count - 1, 0.975) * np.sqrt(spread))
    return Interval(value, value - half, value + half)
