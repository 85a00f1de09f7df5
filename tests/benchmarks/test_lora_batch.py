"""k LoRAs trained in one batch against one after another, on the miniature world's own U-Net: time and result."""

from __future__ import annotations

from statistics import median

import pytest
import torch
from diffusers import DDPMScheduler, StableDiffusionPipeline
from pytest_benchmark.fixture import BenchmarkFixture

import erasebench
from erasebench.methods.mace import MaceConfig
from erasebench.methods.mace.lora import Lora
from erasebench.methods.mace.training import TrainingConcept, train_loras
from erasebench.training.images import Latents
from tests.benchmarks.measure import gflop_of, in_turn, put

CONCEPTS = 10
CONFIG = MaceConfig(steps=3, learning_rate=1e-3)


def training_concept(pipeline: StableDiffusionPipeline, number: int) -> TrainingConcept:
    generator = torch.Generator().manual_seed(number)
    unet, dtype = pipeline.unet.config, pipeline.unet.dtype
    latents = (8, unet["in_channels"], unet["sample_size"], unet["sample_size"])
    tokens = torch.zeros(30, 77, dtype=torch.bool)
    tokens[:, 4:8] = True
    return TrainingConcept(
        latents=Latents(
            torch.randn(latents, generator=generator).to(dtype),
            torch.zeros(latents, dtype=dtype),
            DDPMScheduler.from_config(pipeline.scheduler.config),
        ),
        masks=torch.ones(8, 64, 64, dtype=torch.bool),
        states=torch.randn(30, 77, unet["cross_attention_dim"], generator=generator).to(dtype),
        tokens=tokens,
        generator=generator,
    )


def train(pipeline: StableDiffusionPipeline, numbers: range) -> list[Lora]:
    return train_loras(
        pipeline, [training_concept(pipeline, number) for number in numbers], CONFIG, lambda steps: None
    )[0]


@pytest.mark.slow
def test_one_batch_of_concepts_beats_one_after_another(benchmark: BenchmarkFixture) -> None:
    pipeline = erasebench.load_world("miniature").pipeline()

    def together() -> list[Lora]:
        return train(pipeline, range(CONCEPTS))

    def one_after_another() -> list[Lora]:
        return [train(pipeline, range(number, number + 1))[0] for number in range(CONCEPTS)]

    pairs = benchmark.pedantic(in_turn, args=(one_after_another, together), rounds=1)
    put(benchmark, "lora-batch", pairs.ratios, seconds=pairs.seconds, gflop=gflop_of(together))
    assert median(pairs.ratios) > 1


def test_a_batch_of_concepts_gives_what_each_alone_would() -> None:
    pipeline = erasebench.load_world("miniature").pipeline()
    # In float32, Adam would make a whole step of a gradient's last digit wherever the gradient is all but zero.
    pipeline.unet.double()
    together = train(pipeline, range(3))
    for number, one in enumerate(together):
        (other,) = train(pipeline, range(number, number + 1))
        assert max(up.abs().max() for up in one.up.values()) > 1e-4
        for name in one.up:
            torch.testing.assert_close(one.up[name], other.up[name], rtol=1e-7, atol=1e-9)
