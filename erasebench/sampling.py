"""The one sampler: a CPU generator for each image, padded batches of one fixed shape.

An image depends on its own prompt, seed and settings and on the batch SHAPE, never on its companions in the batch or on
their order; so resuming, reordering or limiting a table changes no pixel.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, SchedulerMixin, StableDiffusionPipeline
from numpy.typing import NDArray

from erasebench.errors import UserError, did_you_mean
from erasebench.identity import NumericsProfile
from erasebench.world import SamplingDefaults

SCHEDULERS: dict[str, type[SchedulerMixin]] = {"ddim": DDIMScheduler, "dpmsolver++": DPMSolverMultistepScheduler}


class Shot(NamedTuple):
    """One image to be made."""

    prompt: str
    seed: int


def noise(seed: int, shape: tuple[int, ...]) -> torch.Tensor:
    """The start of an image: float32 on the CPU, from a generator of its own, the same on every device."""
    return torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed), dtype=torch.float32)


def build_scheduler(name: str, pipeline: StableDiffusionPipeline) -> Any:
    """'ddim' or 'dpmsolver++', made from the model's own scheduler config. UserError for another name."""
    if name not in SCHEDULERS:
        raise UserError(f"There is no scheduler '{name}'.", did_you_mean(name, SCHEDULERS))
    return SCHEDULERS[name].from_config(pipeline.scheduler.config)


@contextmanager
def numerics(profile: NumericsProfile) -> Iterator[None]:
    """TF32 as the profile says and no autotuned cuDNN kernels, which would differ between runs."""
    cuda, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = (cuda.allow_tf32, cudnn.allow_tf32, cudnn.benchmark, cudnn.deterministic)
    cuda.allow_tf32, cudnn.allow_tf32, cudnn.benchmark, cudnn.deterministic = profile.tf32, profile.tf32, False, True
    try:
        yield
    finally:
        cuda.allow_tf32, cudnn.allow_tf32, cudnn.benchmark, cudnn.deterministic = before


class Sampler:
    """Images of a pipeline under fixed settings; between calls the pipeline is as it was found."""

    def __init__(self, pipeline: StableDiffusionPipeline, settings: SamplingDefaults, profile: NumericsProfile) -> None:
        """`settings`: steps, guidance scale, pixels, scheduler; `profile.batch_size` is the one batch shape."""
        self.pipeline = pipeline
        self.settings = settings
        self.profile = profile
        self.scheduler = build_scheduler(settings.scheduler, pipeline)

    def images(self, shots: Sequence[Shot]) -> Iterator[NDArray[np.uint8] | None]:
        """One uint8 [height, width, 3] RGB image per shot, in order; None where the model gave NaN or infinity."""
        for start in range(0, len(shots), self.profile.batch_size):
            yield from self._batch(shots[start : start + self.profile.batch_size])

    @property
    def scheduler_config(self) -> dict[str, Any]:
        """The scheduler's config as diffusers resolved it, JSON-able."""
        return {key: value for key, value in self.scheduler.config.items() if not key.startswith("_")}

    def _batch(self, shots: Sequence[Shot]) -> list[NDArray[np.uint8] | None]:
        full = [*shots, *([shots[-1]] * (self.profile.batch_size - len(shots)))]
        factor = self.pipeline.vae_scale_factor
        channels = self.pipeline.unet.config["in_channels"]
        shape = (channels, self.settings.height // factor, self.settings.width // factor)
        latents = torch.stack([noise(shot.seed, shape) for shot in full])
        unet = self.pipeline.unet
        with numerics(self.profile), self._own_scheduler(), torch.no_grad():
            output = self.pipeline(
                prompt=[shot.prompt for shot in full],
                latents=latents.to(unet.device, unet.dtype),
                num_inference_steps=self.settings.steps,
                guidance_scale=self.settings.guidance,
                height=self.settings.height,
                width=self.settings.width,
                output_type="np",
            )
        return [_pixels(image) for image in output.images[: len(shots)]]

    @contextmanager
    def _own_scheduler(self) -> Iterator[None]:
        pipeline = self.pipeline
        before, bar = pipeline.scheduler, dict(getattr(pipeline, "_progress_bar_config", {}))
        pipeline.scheduler = self.scheduler
        pipeline.set_progress_bar_config(disable=True)
        try:
            yield
        finally:
            pipeline.scheduler = before
            pipeline.set_progress_bar_config(**bar)


def _pixels(image: NDArray[np.float32]) -> NDArray[np.uint8] | None:
    return (image * 255).round().astype(np.uint8) if np.isfinite(image).all() else None
