"""MACE's closed form against plain loops over layers, at Stable Diffusion v1.4's sizes, in one run."""

from __future__ import annotations

from statistics import median

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from erasebench.methods.mace.refinement import refine
from tests.benchmarks.closed_forms import (
    CONFIG,
    LAYERS,
    PROMPTS,
    TOKENS,
    WIDTH,
    drawn,
    in_order,
    layer_by_layer,
    prior,
    refined,
    weights,
)
from tests.benchmarks.measure import Taken, peak_of, put, timed

CONCEPTS, MEASURED, RUNS = 100, 2, 3


@pytest.mark.slow
def test_one_solve_for_all_layers_against_a_loop_over_them(benchmark: BenchmarkFixture) -> None:
    """The plain version's time is that of MEASURED concepts less that of none, times 50: it is linear in them."""
    original, states, kept = weights(), drawn(), prior()

    def ours() -> Taken:
        return timed(lambda: refine(original, in_order(states, CONCEPTS), kept, CONFIG))

    def plain(concepts: int) -> Taken:
        return timed(lambda: layer_by_layer(original, states[:concepts], kept.gram))

    def series() -> tuple[list[Taken], list[float], list[float]]:
        taken, processor, wall = [], [], []
        plain(1)  # first call: allocation and kernel selection
        for _ in range(RUNS):
            some, none = plain(MEASURED), plain(0)
            processor.append(none.processor + (some.processor - none.processor) * CONCEPTS / MEASURED)
            wall.append(none.wall + (some.wall - none.wall) * CONCEPTS / MEASURED)
            taken.append(ours())
        return taken, processor, wall

    taken, processor, wall = benchmark.pedantic(series, rounds=1)
    ratios = [theirs / own.processor for theirs, own in zip(processor, taken, strict=True)]
    seconds = {"plain": median(wall), "ours": median(own.wall for own in taken)}
    # Two Gram sums of all tokens, one solve, and the product of each projection with its result.
    gflop = (4 * CONCEPTS * PROMPTS * TOKENS * WIDTH**2 + 3 * WIDTH**3 + 2 * sum(LAYERS) * WIDTH**2) / 1e9
    put(benchmark, "closed-form-100", ratios, seconds=seconds, gflop64=gflop)
    expected = layer_by_layer(original, states[:MEASURED], kept.gram)
    found, _ = refine(original, states[:MEASURED], kept, CONFIG)
    for name, plain_weights in expected.items():
        assert float((found[name] - plain_weights).norm() / plain_weights.norm()) < 1e-3
    assert median(ratios) > 2


@pytest.mark.slow
def test_memory_does_not_grow_with_the_concepts(benchmark: BenchmarkFixture) -> None:
    few, _ = peak_of(refined, 10)
    many, condition = benchmark.pedantic(peak_of, args=(refined, CONCEPTS), rounds=1)
    gigabytes = sum(LAYERS) * WIDTH * 8 * 2 / 1e9
    put(benchmark, "closed-form-100-memory", [many], gigabytes=gigabytes)
    assert torch.isfinite(torch.tensor(condition))
    assert many < few + 0.1
