"""k LoRAs trained in one batch against one after another, on the miniature world's own U-Net, in one run."""

from __future__ import annotations

import time

import torch
from diffusers import StableDiffusionPipeline
from pytest_benchmark.fixture import BenchmarkFixture

import erasebench
from erasebench.methods.mace import MaceConfig
from erasebench.methods.mace.lora import Lora
from erasebench.methods.mace.training import TrainingConcept, train_loras

CONCEPTS = 10
CONFIG = MaceConfig(steps=3, learning_rate=1e-3)


def training_concept(pipeline: StableDiffusionPipeline, number: int) -> TrainingConcept:
    generator = torch.Generator().manual_seed(number)
    unet = pipeline.unet.config
    latents = (8, unet["in_channels"], unet["sample_size"], unet["sample_size"])
    tokens = torch.zeros(30, 77, dtype=torch.bool)
    tokens[:, 4:8] = True
    return TrainingConcept(
        latent_mean=torch.randn(latents, generator=generator),
        latent_deviation=torch.zeros(latents),
        masks=torch.ones(8, 64, 64, dtype=torch.bool),
        states=torch.randn(30, 77, unet["cross_attention_dim"], generator=generator),
        tokens=tokens,
        generator=generator,
    )


def train(pipeline: StableDiffusionPipeline, numbers: range) -> list[Lora]:
    return train_loras(
        pipeline, [training_concept(pipeline, number) for number in numbers], CONFIG, lambda steps: None
    )[0]


def test_one_batch_of_concepts_beats_one_after_another(benchmark: BenchmarkFixture) -> None:
    pipeline = erasebench.load_world("miniature").pipeline()
    train(pipeline, range(1))  # first call: allocation and kernel selection
    # Processor seconds, so that the ratio also holds on a machine that is busy with something else.
    started = time.process_time()
    together = benchmark.pedantic(train, args=(pipeline, range(CONCEPTS)), rounds=1)
    between = time.process_time()
    alone = [train(pipeline, range(number, number + 1))[0] for number in range(CONCEPTS)]
    ratio = (time.process_time() - between) / (between - started)
    benchmark.extra_info["times faster"] = round(ratio, 1)
    for one, other in zip(together, alone, strict=True):
        for name in one.up:
            torch.testing.assert_close(one.up[name], other.up[name], rtol=1e-2, atol=1e-4)
    assert ratio > 1.2
