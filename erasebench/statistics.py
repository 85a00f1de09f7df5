"""95% intervals by bootstrap over prompts: images of one prompt that differ in the seed only are not independent.

Every function here is deterministic: the same values, prompts and `seed` give the same figure.

- Resampled are whole prompts (the cluster bootstrap; Field and Welsh 2007, JRSS-B 69). A prompt without any
  scored image stays in the draw: that it could not be scored is part of the outcome.
- Percentile intervals are too narrow for few prompts, so the percentiles are widened as Hesterberg proposes ("expanded
  percentile", 2015, The American Statistician 69); above a hundred prompts this changes nothing visible.
- A fraction of exactly 0 or 1 looks certain to any bootstrap. It is drawn from Beta(1, prompts) instead, whose 97.5%
  point is the exact binomial bound of Clopper and Pearson (1934) for as many independent trials as there are prompts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, stdtrit  # type: ignore[import-untyped]

from erasebench.record import Figure, Tally, Unit

Array: TypeAlias = NDArray[np.float64]

RESAMPLES = 10_000
_TAIL = 0.025
_DRAWS_AT_ONCE = 4_000_000
_FEWEST_DEFINED = 0.95


class Sample:
    """One value per image and the prompt that it was painted from, gathered by prompt.

    values: float [n], NaN = unscored. prompts: n labels, equal for the seeds of one prompt. fraction: the values are
    shares in [0, 1] (right or wrong, face or none). expected: how many images the protocol asks for, where more than n.
    unscored: what it means that no image could be scored, for the figure's reason ("no face in any image").
    """

    def __init__(
        self,
        values: ArrayLike,
        prompts: Sequence[Any] | pd.Series[Any] | NDArray[Any],
        *,
        fraction: bool,
        expected: int | None = None,
        unscored: str = "no image could be scored",
    ) -> None:
        array = np.asarray(values, dtype=np.float64)
        codes, labels = pd.factorize(np.asarray(prompts, dtype=object))
        if array.shape != codes.shape or (codes < 0).any():
            raise ValueError(f"{array.shape} values need as many prompts, none of them missing, not {codes.shape}")
        scored = ~np.isnan(array)
        self.labels: list[Any] = list(labels)
        self.sums: Array = np.asarray(
            np.bincount(codes[scored], weights=array[scored], minlength=len(labels)), dtype=np.float64
        )
        self.counts: Array = np.asarray(np.bincount(codes[scored], minlength=len(labels)), dtype=np.float64)
        self.n_scored = int(scored.sum())
        self.n_expected = len(array) if expected is None else expected
        self.fraction = fraction
        self.unscored = unscored

    @classmethod
    def from_tally(cls, tally: Tally) -> Self:
        """The sample that `tally` kept; how many images were expected and why any were unscored is not in it."""
        sample = cls([], [], fraction=tally.fraction)
        cells = [cell.replace("/", ":").split(":") for cell in tally.by_cluster.split()]
        sample.labels = [int(number) for number, _, _ in cells]
        sample.sums = np.array([float(total) for _, total, _ in cells])
        sample.counts = np.array([float(count) for _, _, count in cells])
        sample.n_scored = sample.n_expected = int(sample.counts.sum())
        return sample

    def tally(self, numbers: Mapping[Any, int]) -> Tally:
        """What a record keeps of the sample, its prompts (or seeds) by their `numbers`; sums to six decimals."""
        cells = zip(self.labels, self.sums, self.counts, strict=True)
        kept = sorted((numbers[label], f"{total:.6f}".rstrip("0").rstrip("."), count) for label, total, count in cells)
        return Tally(
            fraction=self.fraction, by_cluster=" ".join(f"{n}:{total}/{count:.0f}" for n, total, count in kept)
        )

    @property
    def mean(self) -> float:
        """The mean over the scored images; NaN where there is none."""
        return float(self.sums.sum() / self.n_scored) if self.n_scored else float("nan")

    @property
    def n_prompts(self) -> int:
        """Prompts with at least one scored image."""
        return int((self.counts > 0).sum())

    @property
    def looks_certain(self) -> bool:
        """A fraction of exactly 0 or 1, which no resampling can make vary."""
        return self.fraction and self.mean in (0.0, 1.0)


def mean_figure(sample: Sample, *, unit: Unit, seed: int = 0) -> Figure:
    """The mean over images with its 95% interval; unscored, with the sample's reason, where no image was scored."""
    return composite_figure({"mean": sample}, lambda mean: mean, unit=unit, seed=seed)


def difference_figure(
    first: Mapping[str, Sample],
    second: Mapping[str, Sample],
    formula: Callable[..., Any],
    *,
    unit: Unit,
    seed: int = 0,
) -> Figure:
    """formula(first) - formula(second) of two methods on the SAME prompts and seeds, resampled in pairs.

    Prompts that are hard for both cancel out, so this tells methods apart that their own two intervals do not. Parts
    that look certain are drawn for each method by itself, which widens the interval. ValueError where the two have
    other parts or saw other prompts.
    """
    if first.keys() != second.keys() or any(set(first[name].labels) != set(second[name].labels) for name in first):
        raise ValueError("a paired difference needs the same parts and prompts on both sides")

    def difference(**means: Any) -> Any:
        ours, theirs = ({name: means[f"{side} {name}"] for name in first} for side in ("first", "second"))
        return formula(**ours) - formula(**theirs)

    sides = {"first": first, "second": second}
    parts = {f"{side} {name}": part for side, own in sides.items() for name, part in own.items()}
    return composite_figure(parts, difference, unit=unit, seed=seed)


def composite_figure(
    parts: Mapping[str, Sample],
    formula: Callable[..., Any],
    *,
    unit: Unit,
    seed: int = 0,
) -> Figure:
    """A figure computed from the means of its parts, e.g. h_c(acc_e=..., acc_s=...), with its 95% interval.

    `formula` takes the parts' means by name, as floats and as arrays [RESAMPLES]. Parts that share prompts are
    resampled together, parts that share none independently, as the protocol samples them. Counts are summed.
    """
    n_scored = sum(part.n_scored for part in parts.values())
    n_expected = sum(part.n_expected for part in parts.values())

    def figure(value: float | None, low: float | None, high: float | None, reason: str | None) -> Figure:
        return Figure(
            value=value,
            low=low,
            high=high,
            n_scored=n_scored,
            n_expected=n_expected,
            unit=unit,
            reason=reason,
        )

    def of(name: str) -> str:
        return f"{name}: " if len(parts) > 1 else ""

    empty = [f"{of(name)}{part.unscored}" for name, part in parts.items() if part.n_scored == 0]
    if empty:
        return figure(None, None, None, "; ".join(empty))
    value = float(formula(**{name: part.mean for name, part in parts.items()}))
    single = [f"{of(name)}one prompt only" for name, part in parts.items() if part.n_prompts == 1]
    if single:
        return figure(value, None, None, "; ".join(single))
    replicates = np.asarray(formula(**_replicates(parts, np.random.default_rng(seed))), dtype=np.float64)
    defined = replicates[np.isfinite(replicates)]
    if len(defined) < _FEWEST_DEFINED * len(replicates):
        return figure(value, None, None, "too few prompts could be scored")
    tail = _expanded_tail(parts.values())
    low, high = np.quantile(defined, (tail, 1.0 - tail))
    return figure(value, min(float(low), value), max(float(high), value), None)


def _expanded_tail(parts: Iterable[Sample]) -> float:
    """The lower percentile to read: Phi(-sqrt(G / (G - 1)) t_{G-1}), G the prompts of the smallest part that varies."""
    prompts = [part.n_prompts for part in parts if not part.looks_certain]
    if not prompts:
        return _TAIL
    fewest = min(prompts)
    return float(ndtr(np.sqrt(fewest / (fewest - 1)) * stdtrit(fewest - 1, _TAIL)))


def _replicates(parts: Mapping[str, Sample], rng: np.random.Generator) -> dict[str, Array]:
    """For each part, RESAMPLES means over redrawn prompts; NaN where a redraw holds no scored image."""
    means: dict[str, Array] = {}
    for names in _strata(parts):
        means |= zip(
            names,
            _redrawn(_by_prompt([parts[name] for name in names]), rng),
            strict=True,
        )
    for name, part in parts.items():
        if part.looks_certain:
            # One stratified uniform per replicate: the quantiles of Beta(1, G) come out nearly exactly.
            uniform = (rng.permutation(RESAMPLES) + 0.5) / RESAMPLES
            miss = 1.0 - (1.0 - uniform) ** (1.0 / part.n_prompts)
            means[name] = miss if part.mean == 0.0 else 1.0 - miss
    return means


def _strata(parts: Mapping[str, Sample]) -> list[list[str]]:
    """The names of the parts, those together that share prompts directly or through another part."""
    strata: list[tuple[list[str], set[Any]]] = []
    for name, part in parts.items():
        names, labels = [name], set(part.labels)
        apart = []
        for stratum in strata:
            if stratum[1] & labels:
                names, labels = stratum[0] + names, stratum[1] | labels
            else:
                apart.append(stratum)
        strata = [*apart, (names, labels)]
    return [names for names, _ in strata]


def _by_prompt(samples: list[Sample]) -> Array:
    """[prompts, 2 x samples]: each sample's sum and count for every prompt of any of them."""
    columns = [pd.Series(part, index=sample.labels) for sample in samples for part in (sample.sums, sample.counts)]
    return np.asarray(pd.concat(columns, axis=1).fillna(0.0), dtype=np.float64)


def _redrawn(prompts: Array, rng: np.random.Generator) -> list[Array]:
    """Redraw the rows of `prompts` with replacement RESAMPLES times: the mean of each sample in each redraw.

    Rows that are equal are drawn as one kind of row with its share: the same distribution, and far fewer draws.
    """
    kinds, repeats = np.unique(prompts, axis=0, return_counts=True)
    chunk = max(1, _DRAWS_AT_ONCE // len(kinds))
    totals = np.concatenate(
        [
            rng.multinomial(len(prompts), repeats / len(prompts), size=min(chunk, RESAMPLES - start)) @ kinds
            for start in range(0, RESAMPLES, chunk)
        ]
    )
    with np.errstate(invalid="ignore"):
        return [totals[:, i] / totals[:, i + 1] for i in range(0, totals.shape[1], 2)]
