"""The composite figures of the protocol, as pure functions of their parts: for measured and for published values.

Source: MACE (arXiv 2403.06135), section 4. Fractions lie in [0, 1], CLIP scores are 100 x cosine; every function takes
floats or arrays of one shape (the replicates of a bootstrap) and returns the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Numbers: TypeAlias = float | NDArray[np.float64]


def harmonic_mean(*scores: Numbers) -> Any:
    """n / (1/s_1 + ... + 1/s_n); 0 where any score is 0 (its limit)."""
    stacked = np.stack(np.broadcast_arrays(*(np.asarray(score, dtype=np.float64) for score in scores)))
    with np.errstate(divide="ignore"):
        mean = len(scores) / (1.0 / stacked).sum(axis=0)
    return mean if mean.ndim else float(mean)


def h_c(*, acc_e: Numbers, acc_s: Numbers) -> Any:
    """Celebrity suite: 2 / (1/(1 - Acc_e) + 1/Acc_s)."""
    return harmonic_mean(1.0 - acc_e, acc_s)


def h_o(*, acc_e: Numbers, acc_s: Numbers, acc_g: Numbers) -> Any:
    """Object suite: 3 / (1/(1 - Acc_e) + 1/Acc_s + 1/(1 - Acc_g))."""
    return harmonic_mean(1.0 - acc_e, acc_s, 1.0 - acc_g)


def h_a(*, clip_e: Numbers, clip_s: Numbers) -> Any:
    """Style suite: CLIP_s - CLIP_e."""
    return clip_s - clip_e


class Composite(NamedTuple):
    parts: tuple[str, ...]
    formula: Callable[..., Any]


COMPOSITES: dict[str, Composite] = {
    "h_c": Composite(("acc_e", "acc_s"), h_c),
    "h_o": Composite(("acc_e", "acc_s", "acc_g"), h_o),
    "h_a": Composite(("clip_e", "clip_s"), h_a),
}
