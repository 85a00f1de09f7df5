"""A network that predicts v is the same model as one that predicts the noise: what methods do with it agrees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from torch import Tensor

from erasebench.api.concepts import Concept, ErasureTask
from erasebench.api.method import load_method
from erasebench.api.world import SamplingDefaults
from erasebench.diffusion.profile import NumericsProfile
from erasebench.diffusion.sampling import Sampler, SampleSpec
from erasebench.errors import UserError
from erasebench.methods.ca.objective import ablation_target
from erasebench.methods.esd import esd_target
from erasebench.methods.salun import mask_loss
from erasebench.training.images import NoisedImages, noised_latents
from erasebench.training.objectives import denoising_loss, guided, guided_away
from erasebench.training.tuned_unet import require_noise_or_velocity
from tests.tiny_model import WIDTH, tiny_pipeline

SETTINGS = SamplingDefaults(steps=8, guidance=5.0, width=WIDTH, height=WIDTH, batch_size=2)
SPECS = [SampleSpec("a portrait of Ann", 1), SampleSpec("a red boat", 2)]


def diffusion(predicts: str) -> DDIMScheduler:
    return DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, prediction_type=predicts
    )


def levels(timesteps: Tensor | int) -> tuple[Tensor, Tensor]:
    abar = diffusion("epsilon").alphas_cumprod.double()[torch.as_tensor(timesteps).long()]
    shape = (-1, 1, 1, 1) if abar.ndim else ()
    return abar.sqrt().reshape(shape), (1 - abar).sqrt().reshape(shape)


def as_velocity(pipeline: StableDiffusionPipeline) -> StableDiffusionPipeline:
    """The same model, whose U-Net says v in the place of the noise."""
    forward = pipeline.unet.forward

    def predicts_v(x: Tensor, timestep: Any, *args: Any, **kwargs: Any) -> Any:
        (eps,) = forward(x, timestep, *args, **{**kwargs, "return_dict": False})
        image, noise = levels(timestep)
        return (((eps.double() - noise * x.double()) / image).to(eps.dtype),)

    pipeline.unet.forward = predicts_v
    pipeline.scheduler = type(pipeline.scheduler).from_config(pipeline.scheduler.config, prediction_type="v_prediction")
    return pipeline


@pytest.fixture
def x() -> dict[str, NoisedImages]:
    torch.manual_seed(3)
    x_0, noise = torch.randn(2, 3, 4, 5, 5, dtype=torch.float64)
    timesteps = torch.tensor([7, 400, 990])
    kinds = ("epsilon", "v_prediction", "sample")
    return {kind: noised_latents(x_0, timesteps, noise, diffusion(kind)) for kind in kinds[:2]} | {
        "x_0": NoisedImages(x_0, timesteps, noise)
    }


def test_the_target_is_the_noise_or_v_by_the_papers_formula(x: dict[str, NoisedImages]) -> None:
    eps, v, x_0 = x["epsilon"], x["v_prediction"], x["x_0"].latents
    image, noise = levels(eps.timesteps)
    assert eps.target is eps.noise and eps.velocity is None
    torch.testing.assert_close(v.latents, image * x_0 + noise * v.noise, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(v.target, image * v.noise - noise * x_0, rtol=1e-6, atol=1e-6)


def nets(x: NoisedImages) -> tuple[Callable[..., Tensor], Callable[..., Tensor]]:
    """One model twice: what it predicts of the noise at some text, and the v that this is."""
    image, noise = levels(x.timesteps)

    def eps(latents: Tensor, timesteps: Tensor, text: Tensor) -> Tensor:
        return torch.sin(latents * text)

    return eps, lambda latents, timesteps, text: (eps(latents, timesteps, text) - noise * latents) / image


A, B, NONE = (torch.tensor(value, dtype=torch.float64) for value in (0.7, 1.9, 0.1))


def test_each_methods_difference_is_that_of_the_noise_over_the_images_level(x: dict[str, NoisedImages]) -> None:
    found = x["v_prediction"]
    (eps, v), (image, _) = nets(found), levels(found.timesteps)

    def difference(net: Callable[..., Tensor], at: NoisedImages) -> dict[str, Tensor]:
        latents, timesteps = at.latents, at.timesteps
        own, other, none = (net(latents, timesteps, text) for text in (A, B, NONE))
        return {
            "esd": own - esd_target(net, at, A, NONE, None, 2.0),
            "spm": own - guided_away(none, own, 3.0),
            "ca": own - ablation_target(net, at, B, "model-based"),
            "ca, noise-based": own - ablation_target(net, at, B, "noise-based"),
            "salun": guided(none, own, 1.5) - at.target,
            "substitution": own - other,
        }

    plain, velocity = difference(eps, x["epsilon"]), difference(v, found)
    for name, value in plain.items():
        torch.testing.assert_close(velocity[name], value / image, rtol=1e-6, atol=1e-6, msg=name)
    square = (eps(found.latents, found.timesteps, A) - found.noise).square() / image**2
    torch.testing.assert_close(denoising_loss(v, found, A), square.mean(), rtol=1e-6, atol=1e-6)
    ascent = (guided(*(eps(found.latents, found.timesteps, text) for text in (NONE, A)), 2.0) - found.noise) / image
    torch.testing.assert_close(mask_loss(v, found, A, NONE, 1.0), -ascent.square().mean(), rtol=1e-6, atol=1e-6)


def images(pipeline: StableDiffusionPipeline, method: str) -> list[Any]:
    task = ErasureTask(concepts=(Concept(name="a boat", kind="object", anchor="a car"),), keep=(), prior_captions=())
    kind = load_method(method)
    erasure = kind(kind.Config(**getattr(kind, "preset", {}))).erase(pipeline, task, None)  # type: ignore[arg-type]
    with erasure.applied_to(pipeline):
        return list(Sampler(pipeline, SETTINGS, NumericsProfile(batch_size=2)).images(SPECS))


@pytest.mark.parametrize("method", ["sld-max", "sld-strong", "np"])
def test_steering_a_model_that_predicts_v_gives_the_same_images(method: str) -> None:
    pixels = [images(tiny_pipeline(), method), images(as_velocity(tiny_pipeline()), method)]
    plain = list(Sampler(tiny_pipeline(), SETTINGS, NumericsProfile(batch_size=2)).images(SPECS))
    gaps = [np.abs(a.astype(int) - b.astype(int)) for a, b in zip(*pixels, strict=True)]
    assert max(gap.max() for gap in gaps) <= 1
    assert not np.array_equal(pixels[0], plain), "and it steers"


def test_a_run_that_starts_at_noise_alone_is_steered_too() -> None:
    """Zero terminal SNR (arXiv 2305.08891): at the first step no image is in x_t, and v says nothing of the noise."""
    pipeline = tiny_pipeline()
    pipeline.scheduler = type(pipeline.scheduler).from_config(
        pipeline.scheduler.config,
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
    )
    assert all(image is not None for image in images(pipeline, "sld-max"))


def test_what_predicts_the_image_itself_is_refused() -> None:
    pipeline = tiny_pipeline()
    pipeline.scheduler = diffusion("sample")
    with pytest.raises(UserError, match="predicts 'sample'") as refused:
        require_noise_or_velocity(pipeline)
    assert "v2.x" in refused.value.hint
