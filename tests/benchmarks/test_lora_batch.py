"""k LoRAs trained in one batch against one after another, on a U-Net of the miniature's size, in one run."""

from __future__ import annotations

import time

import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from erasebench.methods.mace import MaceConfig
from erasebench.methods.mace.lora import Lora
from erasebench.methods.mace.training import TrainingConcept, train_loras
from tests.tiny_model import tiny_pipeline

CONCEPTS, WIDTH, SIDE = 10, 320, 8
CONFIG = MaceConfig(steps=3, learning_rate=1e-3)


def miniature_sized() -> StableDiffusionPipeline:
    """The tiny pipeline with a random U-Net of the miniature world's size."""
    pipeline = tiny_pipeline()
    torch.manual_seed(0)
    pipeline.unet = UNet2DConditionModel(
        sample_size=SIDE,
        in_channels=16,
        out_channels=16,
        layers_per_block=1,
        block_out_channels=(96, 192),
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2DCrossAttn",
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=4,
    ).eval()
    return pipeline


def training_concept(number: int) -> TrainingConcept:
    generator = torch.Generator().manual_seed(number)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    tokens = torch.zeros(30, 77, dtype=torch.bool)
    tokens[:, 4:8] = True
    return TrainingConcept(
        latent_mean=random(8, 16, SIDE, SIDE),
        latent_deviation=torch.zeros(8, 16, SIDE, SIDE),
        masks=torch.ones(8, 64, 64, dtype=torch.bool),
        states=random(30, 77, WIDTH),
        tokens=tokens,
        generator=generator,
    )


def train(pipeline: StableDiffusionPipeline, numbers: range) -> list[Lora]:
    return train_loras(pipeline, [training_concept(number) for number in numbers], CONFIG, lambda steps: None)[0]


def test_one_batch_of_concepts_beats_one_after_another(benchmark: BenchmarkFixture) -> None:
    pipeline = miniature_sized()
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
