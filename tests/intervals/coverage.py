"""How often the 95% intervals hold the truth, in a world where it is known: the project's own rules on drawn hits.

Prompt i has a chance p_i of its own, drawn from a beta distribution of mean p and intra-prompt correlation rho; each of
its images is a hit with that chance. `python -m tests.intervals.coverage` prints the tables of docs/statistics.md.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtr  # type: ignore[import-untyped]
from scipy.stats import beta  # type: ignore[import-untyped]

from erasebench.metrics.composites import h_c
from erasebench.metrics.statistics.combine import combined_limits, correlation
from erasebench.metrics.statistics.intervals import Limits, mean_limits
from erasebench.metrics.statistics.sample import Array

TRIALS = 4_000
"""A coverage of 95% is then known to 0.34 points (one standard error), of 93% to 0.40."""
RATES = (0.02, 0.1, 0.5)
CORRELATIONS = (0.0, 0.1, 0.3, 0.5)
DESIGNS = (
    (5, 5),
    (5, 50),
    (10, 5),
    (10, 25),
    (15, 10),
    (25, 1),
    (25, 10),
    (25, 50),
    (50, 1),
    (50, 5),
    (100, 1),
    (100, 5),
)
"""Prompts and images of each: the protocol's (1, 5 and 10 names: 5 x 50, 25 x 10, 50 x 5) and others."""
PAIRS = ((0.02, 0.02), (0.02, 0.1), (0.1, 0.1), (0.1, 0.2), (0.1, 0.5), (0.5, 0.5))
H_C_PAIRS = ((0.1, 0.9, 0.1, 0.9), (0.1, 0.9, 0.2, 0.8), (0.02, 0.9, 0.1, 0.5))
SHARED = 0.7
"""Correlation (of normal scores) of how hard a prompt is for two methods."""


class Cell(NamedTuple):
    """Where a coverage was simulated, what came out, and whether prompts and rates are many enough for a ceiling."""

    what: str
    prompts: int
    images: int
    rho: float
    rates: tuple[float, ...]
    coverage: float
    width: float

    @property
    def has_ceiling(self) -> bool:
        return self.prompts >= 25 and all(0.1 <= rate <= 0.9 for rate in self.rates)

    def __str__(self) -> str:
        rates = " ".join(f"{rate:g}" for rate in self.rates)
        return (
            f"| {self.what} | {self.prompts} x {self.images} | {self.rho:g} | {rates} "
            f"| {100 * self.coverage:.1f} | {100 * self.width:.1f} |"
        )


class Setting(NamedTuple):
    """How many trials of how many prompts, with how many images and how alike these are within a prompt."""

    trials: int
    prompts: int
    images: int
    rho: float

    @property
    def counts(self) -> Array:
        return np.full(self.prompts, float(self.images))

    def hits(self, rng: np.random.Generator, *rates: float) -> list[Array]:
        """Of one or two methods on the same prompts: hits of each prompt, [trials, prompts]."""
        shape = (self.trials, self.prompts)
        if self.rho == 0.0:
            return [rng.binomial(self.images, rate, shape).astype(np.float64) for rate in rates]
        k = (1.0 - self.rho) / self.rho
        if len(rates) == 1:
            chances = [rng.beta(rates[0] * k, (1.0 - rates[0]) * k, shape)]
        else:
            score = rng.standard_normal(shape)
            scores = (score, SHARED * score + np.sqrt(1.0 - SHARED**2) * rng.standard_normal(shape))
            chances = [beta.ppf(ndtr(z), rate * k, (1.0 - rate) * k) for z, rate in zip(scores, rates, strict=True)]
        return [rng.binomial(self.images, np.clip(chance, 0.0, 1.0)).astype(np.float64) for chance in chances]

    def limits(self, formula: Callable[..., Any], parts: Mapping[str, Array]) -> Limits:
        """Of a metric of these parts; those whose names end alike ('ours e' and 'theirs e') share their prompts."""
        counts = self.counts
        limits = {name: mean_limits(hits, counts, fraction=True) for name, hits in parts.items()}

        def together(one: str, other: str) -> Array | float:
            shared = one.split()[-1] == other.split()[-1]
            return correlation((parts[one], counts), (parts[other], counts), fractions=True) if shared else 0.0

        return combined_limits(lambda **means: formula(*means.values()), limits, together)

    def cell(self, what: str, rates: tuple[float, ...], limits: Limits, truth: float) -> Cell:
        inside = (limits.low <= truth) & (truth <= limits.high)
        width = float((limits.high - limits.low).mean())
        return Cell(what, self.prompts, self.images, self.rho, rates, float(inside.mean()), width)


def cells(trials: int = TRIALS, seed: int = 0) -> Iterator[Cell]:
    """Every cell: rates, H_c of two rates on prompts of their own, paired differences of rates and of H_c."""
    rng = np.random.default_rng(seed)
    for (prompts, images), rho in product(DESIGNS, CORRELATIONS):
        # One image of a prompt is like no other: there is nothing for rho to say.
        if images > 1 or rho == 0.0:
            yield from _cells_of(Setting(trials, prompts, images, rho), rng)


def _cells_of(setting: Setting, rng: np.random.Generator) -> Iterator[Cell]:
    for rate in RATES:
        (hits,) = setting.hits(rng, rate)
        yield setting.cell("rate", (rate,), mean_limits(hits, setting.counts, fraction=True), rate)
    for rates in product(RATES, (0.5, 0.9, 0.98)):
        parts = {name: setting.hits(rng, rate)[0] for name, rate in zip(("e", "s"), rates, strict=True)}
        yield setting.cell("H_c", rates, setting.limits(_h_c, parts), _h_c(*rates))
    for rates in PAIRS:
        (a, b) = setting.hits(rng, *rates)
        limits = setting.limits(lambda a, b: a - b, {"ours e": a, "theirs e": b})
        yield setting.cell("difference", rates, limits, rates[0] - rates[1])
    for e1, s1, e2, s2 in H_C_PAIRS:
        (ours_e, theirs_e), (ours_s, theirs_s) = setting.hits(rng, e1, e2), setting.hits(rng, s1, s2)
        four = {"ours e": ours_e, "ours s": ours_s, "theirs e": theirs_e, "theirs s": theirs_s}
        limits = setting.limits(_h_c_difference, four)
        yield setting.cell("H_c difference", (e1, s1, e2, s2), limits, _h_c_difference(e1, s1, e2, s2))


def _h_c(acc_e: Any, acc_s: Any) -> Any:
    return h_c(acc_e=acc_e, acc_s=acc_s)


def _h_c_difference(e1: Any, s1: Any, e2: Any, s2: Any) -> Any:
    return _h_c(e1, s1) - _h_c(e2, s2)


FLOOR = 0.93
CEILINGS = {"rate": 0.97, "H_c": 0.985, "difference": 0.985, "H_c difference": 0.995}
"""From 25 prompts and rates of 10% on. What is computed from several parts adds up their caution: of 190 such cells 12
lie above 97%, nearly all with 25 prompts and correlations of .3 and more."""


def failing(found: list[Cell], trials: int) -> list[Cell]:
    """Cells outside floor and ceiling by more than two standard errors of that many trials: what chance leaves open."""
    slack = {limit: 2.0 * float(np.sqrt(limit * (1.0 - limit) / trials)) for limit in (FLOOR, *CEILINGS.values())}
    return [
        cell
        for cell in found
        if cell.coverage < FLOOR - slack[FLOOR]
        or (cell.has_ceiling and cell.coverage > CEILINGS[cell.what] + slack[CEILINGS[cell.what]])
    ]


def summary(found: list[Cell]) -> str:
    """The cells by metric and design as a markdown table: lowest and highest coverage, mean width by correlation."""
    rhos = " | ".join(f"width, rho {rho:g}" for rho in CORRELATIONS)
    lines = [f"| metric | prompts x images | coverage, % | {rhos} |", "|---" * (3 + len(CORRELATIONS)) + "|"]
    designs = dict.fromkeys((cell.what, cell.prompts, cell.images) for cell in found)
    for what, prompts, images in sorted(designs, key=lambda design: list(CEILINGS).index(design[0])):
        own = [cell for cell in found if (cell.what, cell.prompts, cell.images) == (what, prompts, images)]
        ends = f"{100 * min(cell.coverage for cell in own):.1f} to {100 * max(cell.coverage for cell in own):.1f}"
        widths = [[cell.width for cell in own if cell.rho == rho] for rho in CORRELATIONS]
        means = " | ".join(f"{100 * np.mean(each):.1f}" if each else "as 0" for each in widths)
        lines.append(f"| {what} | {prompts} x {images} | {ends} | {means} |")
    return "\n".join(lines)


def main(trials: int) -> None:
    """Print every cell as a row of a markdown table, those that fail, and the summary."""
    everything = list(cells(trials))
    print("| metric | prompts x images | rho | rates | coverage, % | mean width, points |\n|---|---|---|---|---|---|")
    print("\n".join(map(str, everything)))
    for each in failing(everything, trials):
        print("fails:", each)
    print(summary(everything))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else TRIALS)
