"""The three solves on 1,000 concepts at Stable Diffusion v1.4's sizes, each in a fresh process: seconds and peak."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from erasebench.methods.mace.fusion import fuse
from erasebench.methods.mace.lora import Lora
from erasebench.methods.mace.refinement import refine
from erasebench.methods.uce import Edit, Phrase, UceConfig, uce_transfer
from tests.benchmarks.closed_forms import CONFIG, LAYERS, PROMPTS, TOKENS, WIDTH, drawn, in_order, prior, weights
from tests.benchmarks.measure import peak_of, put, timed

FEW, MANY, KEPT = 100, 1000, 1000


def uce(concepts: int) -> float:
    """UCE, the older release's rule: all tokens from the last of the phrase on."""
    generator = torch.Generator().manual_seed(0)
    config = UceConfig(release="older")
    phrase, *kept = (Phrase(torch.randn(77, WIDTH, generator=generator), 5) for _ in range(1 + 50))

    def edits() -> Iterator[Edit]:
        return (Edit(kept[at % 50], phrase) for at in range(concepts))

    kept_states = [kept[at % 50] for at in range(KEPT)]
    return timed(lambda: uce_transfer(edits(), kept_states, config, torch.device("cpu"))).wall


def refinement(concepts: int) -> float:
    """MACE's refinement."""
    original, states, kept = weights(), drawn(), prior()
    return timed(lambda: refine(original, in_order(states, concepts), kept, CONFIG)).wall


def fusion(concepts: int) -> float:
    """MACE's fusion of LoRAs of rank 1."""
    original, states, kept = weights(), drawn(), prior()
    generator = torch.Generator().manual_seed(3)
    loras = [
        Lora(
            {name: torch.randn(1, WIDTH, generator=generator) for name in original},
            {name: torch.randn(len(weight), 1, generator=generator) for name, weight in original.items()},
        )
        for _ in states
    ]

    def pairs() -> Iterator[tuple[Tensor, Lora]]:
        return ((states[at % len(states)][0], loras[at % len(loras)]) for at in range(concepts))

    refined = {name: weight.double() for name, weight in original.items()}
    return timed(lambda: fuse(original, refined, pairs(), kept, CONFIG)).wall


@pytest.mark.slow
def test_a_thousand_concepts_in_the_memory_of_a_hundred(benchmark: BenchmarkFixture) -> None:
    """Each once: it takes minutes, and its parts are the same product a thousand times."""
    gram = 2 * PROMPTS * TOKENS * WIDTH**2 / 1e9
    products = {
        "uce": (uce, 2 * 2 * 72 * WIDTH**2 * MANY / 1e9),
        "refinement": (refinement, 2 * gram * MANY),
        "fusion": (fusion, (gram + 2 * 2 * sum(LAYERS) * WIDTH / 1e9) * MANY),
    }

    def series() -> float:
        growths = []
        for name, (solve, gflop) in products.items():
            few, _ = peak_of(solve, FEW)
            many, seconds = peak_of(solve, MANY)
            put(benchmark, f"closed-form-1000-{name}", [seconds], gflop64=gflop)
            growths.append(many - few)
        return max(growths)

    growth = benchmark.pedantic(series, rounds=1)
    put(benchmark, "closed-form-1000-memory", [growth])
    assert growth < 0.1
