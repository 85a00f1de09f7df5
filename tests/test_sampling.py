"""Resuming, reordering and limiting change no pixel; the pipeline is left as it was found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, PNDMScheduler, StableDiffusionPipeline

from erasebench.api.world import SamplingDefaults
from erasebench.diffusion.profile import NumericsProfile
from erasebench.diffusion.sampling import Sampler, SampleSpec, noise
from erasebench.diffusion.schedulers import build_scheduler
from erasebench.errors import UserError
from tests.tiny_model import WIDTH, tiny_pipeline

SETTINGS = SamplingDefaults(steps=3, guidance=4.0, width=WIDTH, height=WIDTH, batch_size=4)
PROFILE = NumericsProfile(batch_size=4)
SPECS = [SampleSpec(f"a portrait of {name}", seed) for name in ("Ann", "Bob", "the cat") for seed in (1, 2)]


@pytest.fixture(scope="module")
def pipeline() -> StableDiffusionPipeline:
    return tiny_pipeline()


@pytest.fixture(scope="module")
def whole(pipeline: StableDiffusionPipeline) -> dict[SampleSpec, np.ndarray]:
    return dict(zip(SPECS, Sampler(pipeline, SETTINGS, PROFILE).images(SPECS), strict=True))


@pytest.mark.parametrize(
    "specs",
    [SPECS[:1], SPECS[3:], SPECS[::-1], [SPECS[2], SPECS[5], SPECS[0]]],
    ids=["limited", "resumed", "reversed", "picked"],
)
def test_companions_order_and_limit_change_no_pixel(
    pipeline: StableDiffusionPipeline, whole: dict[SampleSpec, np.ndarray], specs: list[SampleSpec]
) -> None:
    for spec, image in zip(specs, Sampler(pipeline, SETTINGS, PROFILE).images(specs), strict=True):
        assert image is not None
        assert np.array_equal(image, whole[spec])


def test_large_images_are_decoded_a_few_at_a_time(
    pipeline: StableDiffusionPipeline, whole: dict[SampleSpec, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("erasebench.diffusion.sampling.DECODED_PIXELS", 3 * WIDTH * WIDTH)
    shapes: list[int] = []
    decode = pipeline.vae.decode
    monkeypatch.setattr(pipeline.vae, "decode", lambda latents: (shapes.append(len(latents)), decode(latents))[1])
    for spec, image in zip(SPECS, Sampler(pipeline, SETTINGS, PROFILE).images(SPECS), strict=True):
        assert image is not None
        assert np.abs(image.astype(int) - whole[spec].astype(int)).max() <= 1
    # Batches of four and two: three and one images, then two; each in the one shape.
    assert shapes == [3, 3, 3]


def test_prompt_and_seed_each_make_another_image(whole: dict[SampleSpec, np.ndarray]) -> None:
    images = [image.tobytes() for image in whole.values()]
    assert len(set(images)) == len(SPECS)
    assert {image.shape for image in whole.values()} == {(WIDTH, WIDTH, 3)}


def test_noise_is_a_cpu_generators_own() -> None:
    expected = torch.randn(4, 8, 8, generator=torch.Generator("cpu").manual_seed(7))
    state = torch.random.get_rng_state()
    assert torch.equal(noise(7, (4, 8, 8)), expected)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_same_images_as_plain_diffusers(tiny_model_folder: Path, whole: dict[SampleSpec, np.ndarray]) -> None:
    plain = StableDiffusionPipeline.from_pretrained(tiny_model_folder)
    # A key that the model's own scheduler lacks: DDIM's default would clip latents, which are no pixels.
    plain.scheduler = DDIMScheduler.from_config(plain.scheduler.config, clip_sample=False)
    specs = SPECS[:4]
    output = plain(
        prompt=[spec.prompt for spec in specs],
        latents=torch.stack([noise(spec.seed, (4, WIDTH // 2, WIDTH // 2)) for spec in specs]),
        num_inference_steps=3,
        guidance_scale=4.0,
        output_type="pil",
    )
    for spec, image in zip(specs, output.images, strict=True):
        assert np.array_equal(np.asarray(image), whole[spec])


def test_pipeline_keeps_its_scheduler_and_numerics(pipeline: StableDiffusionPipeline) -> None:
    torch.backends.cudnn.benchmark = True
    try:
        list(Sampler(pipeline, SETTINGS, PROFILE).images(SPECS[:1]))
        assert torch.backends.cudnn.benchmark
    finally:
        torch.backends.cudnn.benchmark = False
    assert isinstance(pipeline.scheduler, PNDMScheduler)


def test_the_schedulers_config_is_the_models_own(pipeline: StableDiffusionPipeline) -> None:
    config = Sampler(pipeline, SETTINGS, PROFILE).scheduler_config
    assert (config["beta_schedule"], config["steps_offset"]) == ("scaled_linear", 1)


def test_numbers_that_are_no_image_are_none() -> None:
    broken = tiny_pipeline()
    with torch.no_grad():
        next(broken.unet.parameters()).fill_(float("nan"))
    assert list(Sampler(broken, SETTINGS, PROFILE).images(SPECS[:2])) == [None, None]


def test_unknown_scheduler_is_named(pipeline: StableDiffusionPipeline) -> None:
    with pytest.raises(UserError, match="Did you mean 'ddim'"):
        build_scheduler("dim", pipeline)
