"""Images in the world's batches against one image at a time, on the miniature world's own model, in one run."""

from __future__ import annotations

import time

import numpy as np
import pytest
from diffusers import StableDiffusionPipeline
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

import erasebench
from erasebench.api.world import SamplingDefaults
from erasebench.diffusion.profile import NumericsProfile
from erasebench.diffusion.sampling import Sampler, SampleSpec

STEPS = 4


def sampled(
    pipeline: StableDiffusionPipeline, settings: SamplingDefaults, specs: list[SampleSpec], batch_size: int
) -> NDArray[np.int16]:
    images = list(Sampler(pipeline, settings, NumericsProfile(batch_size=batch_size)).images(specs))
    return np.stack([image for image in images if image is not None]).astype(np.int16)


@pytest.mark.slow
def test_a_batch_beats_one_image_at_a_time(benchmark: BenchmarkFixture) -> None:
    world = erasebench.load_world("miniature")
    pipeline, settings = world.pipeline(), world.sampling.model_copy(update={"steps": STEPS})
    names = world.concept_lists.names("person", "erase")
    specs = [SampleSpec(f"A portrait of {names[at]}", at) for at in range(settings.batch_size)]
    sampled(pipeline, settings, specs[:1], 1)  # first call: allocation and kernel selection
    # Processor seconds, so that the ratio also holds on a machine that is busy with something else.
    started = time.process_time()
    together = benchmark.pedantic(sampled, args=(pipeline, settings, specs, settings.batch_size), rounds=1)
    between = time.process_time()
    alone = sampled(pipeline, settings, specs, 1)
    ratio = (time.process_time() - between) / (between - started)
    benchmark.extra_info["times faster"] = round(ratio, 1)
    assert together.shape == alone.shape
    assert np.abs(together - alone).max() <= 2
    assert ratio > 1.2
