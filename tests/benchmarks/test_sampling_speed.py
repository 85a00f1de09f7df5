"""Images of the miniature against diffusers' own call of the pipeline, at the same batch, in one run."""

from __future__ import annotations

from statistics import median

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

import erasebench
from erasebench.diffusion.profile import NumericsProfile
from erasebench.diffusion.sampling import Sampler, SampleSpec, noise
from tests.benchmarks.measure import gflop_of, in_turn, put


def plain(pipeline: StableDiffusionPipeline, sampler: Sampler, specs: list[SampleSpec]) -> NDArray[np.uint8]:
    """diffusers' own call: every prompt encoded, keys and values of text computed at every step."""
    settings = sampler.settings
    side = settings.height // pipeline.vae_scale_factor
    latents = torch.stack([noise(spec.seed, (pipeline.unet.config["in_channels"], side, side)) for spec in specs])
    before, pipeline.scheduler = pipeline.scheduler, sampler.scheduler
    try:
        output = pipeline(
            prompt=[spec.prompt for spec in specs],
            latents=latents,
            num_inference_steps=settings.steps,
            guidance_scale=settings.guidance,
            height=settings.height,
            width=settings.width,
            output_type="np",
        )
    finally:
        pipeline.scheduler = before
    return np.stack([(image * 255).round().astype(np.uint8) for image in output.images])


@pytest.mark.slow
def test_sampling_against_diffusers_own_call(benchmark: BenchmarkFixture) -> None:
    """A batch of the suite's prompts, five seeds of each."""
    world = erasebench.load_world("miniature")
    pipeline, settings = world.pipeline(), world.sampling
    sampler = Sampler(pipeline, settings, NumericsProfile(batch_size=settings.batch_size))
    names = world.concept_lists.names("person", "erase")
    specs = [SampleSpec(f"A portrait of {names[at // 5]}", at % 5) for at in range(settings.batch_size)]

    def ours() -> NDArray[np.uint8]:
        return np.stack([image for image in sampler.images(specs) if image is not None])

    pairs = benchmark.pedantic(in_turn, args=(lambda: plain(pipeline, sampler, specs), ours), rounds=1)
    put(benchmark, "sampling", pairs.ratios, seconds=pairs.seconds, gflop=gflop_of(ours))
    differences = np.abs(pairs.ours[-1].result.astype(np.int16) - pairs.plain[-1].result)
    assert differences.max() <= 1
    assert median(pairs.ratios) > 1
