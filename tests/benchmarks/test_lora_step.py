"""One training step of MACE's LoRAs against the plain way: every attention map of the U-Net formed and kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from statistics import median

import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

import erasebench
from erasebench.editing.cross_attention import RecordingProcessor, projections
from erasebench.methods.mace import MaceConfig
from erasebench.methods.mace.attention_loss import AttentionLoss
from erasebench.methods.mace.lora import LoraBatch
from erasebench.methods.mace.timesteps import timestep_density
from erasebench.methods.mace.training import Sample, attention_loss, draw
from erasebench.training.loop import reproducible
from erasebench.training.tuned_unet import frozen
from tests.benchmarks.measure import gflop_of, in_turn, put
from tests.benchmarks.test_lora_batch import training_concept

CONCEPTS = 10
CONFIG = MaceConfig()


@contextmanager
def every_map_kept(unet: UNet2DConditionModel) -> Iterator[dict[str, Tensor]]:
    """The attention maps of all blocks, self-attention's too, as the U-Net forms them."""
    maps: dict[str, Tensor] = {}
    blocks = {name: module for name, module in unet.named_modules() if isinstance(module, Attention)}
    before = {name: block.processor for name, block in blocks.items()}
    try:
        for name, block in blocks.items():
            block.processor = RecordingProcessor(name, maps.__setitem__)
        yield maps
    finally:
        for name, block in blocks.items():
            block.processor = before[name]


def loss_of_kept_maps(unet: UNet2DConditionModel, samples: Sequence[Sample]) -> Tensor:
    """The loss of each sample [k] from the maps, after the whole U-Net."""
    latents = torch.cat([sample.x.latents for sample in samples])
    loss = AttentionLoss(
        masks=torch.stack([sample.mask for sample in samples]),
        tokens=torch.stack([sample.tokens for sample in samples]),
        latent_size=(latents.shape[2], latents.shape[3]),
    )
    with every_map_kept(unet) as maps:
        timesteps = torch.cat([sample.x.timesteps for sample in samples])
        unet(latents, timesteps, encoder_hidden_states=torch.stack([sample.states for sample in samples]))
    for name, probabilities in maps.items():
        if name.endswith("attn2"):
            loss.record(name, probabilities)
    return loss.per_sample()


@pytest.mark.slow
def test_a_lora_step_against_every_map_kept(benchmark: BenchmarkFixture) -> None:
    pipeline = erasebench.load_world("miniature").pipeline()
    unet = pipeline.unet
    concepts = [training_concept(pipeline, number) for number in range(CONCEPTS)]
    density = timestep_density(CONFIG, pipeline.scheduler.config.num_train_timesteps)
    samples = [draw(concept, density) for concept in concepts]
    loras = LoraBatch(projections(unet), [concept.generator for concept in concepts], CONFIG.rank)
    optimizer = torch.optim.AdamW(loras.parameters(), lr=0.0)

    def step(loss_of: Callable[[UNet2DConditionModel, Sequence[Sample]], Tensor]) -> list[Tensor]:
        loss = loss_of(unet, samples)
        optimizer.zero_grad()
        torch.autograd.backward(loss.sum())
        gradients = [parameter.grad.clone() for parameter in loras.parameters() if parameter.grad is not None]
        loras.clip_gradients(CONFIG.gradient_clip)
        optimizer.step()
        return [loss.detach(), *gradients]

    with frozen(pipeline), loras.attached(), reproducible(unet.device):
        pairs = benchmark.pedantic(
            in_turn, args=(lambda: step(loss_of_kept_maps), lambda: step(attention_loss)), rounds=1
        )
        put(benchmark, "lora-step", pairs.ratios, seconds=pairs.seconds, gflop=gflop_of(lambda: step(attention_loss)))
    for ours, plain in zip(pairs.ours[-1].result, pairs.plain[-1].result, strict=True):
        assert float((ours - plain).norm()) <= 1e-3 * float(plain.norm())
    assert median(pairs.ratios) > 0.5
