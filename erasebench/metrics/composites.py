"""The composite metrics of the protocol, as pure functions of their parts: for measured and for published values.

Source: MACE (arXiv 2403.06135), section 4. Fractions lie in [0, 1], CLIP scores are 100 x cosine; every function takes
floats or arrays of one shape and returns the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from erasebench.api.value import Formula

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


def mean_of_h_o(**accuracies: Numbers) -> Any:
    """The mean over runs of each run's H_o, which is what the protocol averages; parts named as by `part_of_run`."""
    parts = ("e", "s", "g")
    each = [h_o(**{f"acc_{part}": accuracies[part_of_run(part, run)] for part in parts}) for run in _runs(accuracies)]
    return np.mean(np.stack(each), axis=0)


def h_o_of_means(**accuracies: Numbers) -> Any:
    """H_o of the three accuracies, each averaged over the runs first; parts named as by `part_of_run`."""
    runs = _runs(accuracies)
    means = {part: np.mean(np.stack([accuracies[part_of_run(part, run)] for run in runs]), axis=0) for part in "esg"}
    return h_o(**{f"acc_{part}": mean for part, mean in means.items()})


def part_of_run(part: str, run: str) -> str:
    """'e of ship': the name of a part of the run that erased 'ship'."""
    return f"{part} of {run}"


def _runs(accuracies: dict[str, Numbers]) -> list[str]:
    return list(dict.fromkeys(name.partition(" of ")[2] for name in accuracies))


class Composite(NamedTuple):
    parts: tuple[str, ...]
    formula: Callable[..., Any]


COMPOSITES: dict[str, Composite] = {
    "h_c": Composite(("acc_e", "acc_s"), h_c),
    "h_o": Composite(("acc_e", "acc_s", "acc_g"), h_o),
    "h_a": Composite(("clip_e", "clip_s"), h_a),
}

FORMULAS: dict[Formula, Callable[..., Any]] = {
    "h_a": h_a,
    "h_c": h_c,
    "h_o": h_o,
    "mean": lambda *, mean: mean,
    "mean_of_h_o": mean_of_h_o,
}
"""Of primary metrics, by the name that records use."""
