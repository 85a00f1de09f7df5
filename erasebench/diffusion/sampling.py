"""The one sampler: a CPU generator for each image, padded batches of one fixed shape.

An image depends on its own prompt, seed and settings and on the batch SHAPE, never on its companions in the batch or on
their order; so resuming, reordering or limiting a table changes no pixel.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from numpy.typing import NDArray

from erasebench.api.world import SamplingDefaults
from erasebench.diffusion.compiling import check_as_compiled
from erasebench.diffusion.profile import NumericsProfile
from erasebench.diffusion.prompt_states import PromptStates, may_be_kept
from erasebench.diffusion.schedulers import STOCHASTIC, build_scheduler, resolved
from erasebench.diffusion.shared_text import shared_text

DECODED_PIXELS = 8 * 512 * 512
"""At most as many images as have this many pixels are decoded at a time: memory does not grow with the batch."""


class SampleSpec(NamedTuple):
    """One image to be made."""

    prompt: str
    seed: int


def generator(seed: int) -> torch.Generator:
    """An image's own source of noise, on the CPU: the same on every device."""
    return torch.Generator("cpu").manual_seed(seed)


def noise(seed: int, shape: tuple[int, ...]) -> torch.Tensor:
    """The start of an image: float32 on the CPU, the first numbers of its generator."""
    return torch.randn(shape, generator=generator(seed), dtype=torch.float32)


def cut_prompts(pipeline: StableDiffusionPipeline, prompts: Iterable[str]) -> int:
    """How many different prompts have more tokens than the text encoder reads (77): what is beyond is not read."""
    different = list(dict.fromkeys(prompts))
    with _no_word_of_cut_prompts(pipeline):
        ids = pipeline.tokenizer(different)["input_ids"] if different else []
    return sum(len(tokens) > pipeline.tokenizer.model_max_length for tokens in ids)


@contextmanager
def _no_word_of_cut_prompts(pipeline: StableDiffusionPipeline) -> Iterator[None]:
    """diffusers repeats a whole batch, padding included, where one prompt of it is too long; `cut_prompts` counts."""
    loggers = [logging.getLogger(type(part).__module__) for part in (pipeline, pipeline.tokenizer)]
    loggers.append(logging.getLogger("transformers.tokenization_utils_base"))
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def numerics(profile: NumericsProfile) -> Iterator[None]:
    """TF32 as the profile says, sums in float32, no autotuned cuDNN kernels, which would differ between runs."""
    cuda, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    wanted = [
        (cuda, "allow_tf32", profile.tf32),
        (cuda, "allow_fp16_reduced_precision_reduction", False),
        (cuda, "allow_bf16_reduced_precision_reduction", False),
        (cudnn, "allow_tf32", profile.tf32),
        (cudnn, "benchmark", False),
        (cudnn, "deterministic", True),
    ]
    before = [getattr(backend, name) for backend, name, _ in wanted]
    try:
        for backend, name, value in wanted:
            setattr(backend, name, value)
        yield
    finally:
        for (backend, name, _), value in zip(wanted, before, strict=True):
            setattr(backend, name, value)


class Sampler:
    """Images of a pipeline under fixed settings; between calls the pipeline is as it was found."""

    def __init__(self, pipeline: StableDiffusionPipeline, settings: SamplingDefaults, profile: NumericsProfile) -> None:
        """`settings`: steps, guidance scale, pixels, scheduler; `profile.batch_size` is the one batch shape."""
        self.pipeline = pipeline
        self.settings = settings
        self.profile = profile
        self.scheduler = build_scheduler(settings.scheduler, pipeline)

    def images(self, specs: Sequence[SampleSpec]) -> Iterator[NDArray[np.uint8] | None]:
        """One uint8 [height, width, 3] RGB image for each spec, in order; None where the model gave NaN or infinity."""
        size = self.profile.batch_size
        if self.profile.compiled:
            check_as_compiled(self.pipeline.unet)
        guided = self.settings.guidance > 1 and self.pipeline.unet.config["time_cond_proj_dim"] is None
        states = PromptStates(self.pipeline, size, guided=guided) if may_be_kept(self.pipeline) else None
        for start in range(0, len(specs), size):
            yield from self._batch(specs[start : start + size], islice(specs, start, None), states)

    @property
    def scheduler_config(self) -> dict[str, Any]:
        """Every setting that the scheduler reads, as diffusers resolved it, JSON-able."""
        return resolved(self.scheduler)

    def _batch(
        self, specs: Sequence[SampleSpec], upcoming: Iterable[SampleSpec], states: PromptStates | None
    ) -> list[NDArray[np.uint8] | None]:
        full = [*specs, *([specs[-1]] * (self.profile.batch_size - len(specs)))]
        prompts = [spec.prompt for spec in full]
        factor = self.pipeline.vae_scale_factor
        channels = self.pipeline.unet.config["in_channels"]
        shape = (channels, self.settings.height // factor, self.settings.width // factor)
        # A scheduler that adds noise at every step goes on with the generator that made the start.
        own = [generator(spec.seed) for spec in full]
        latents = torch.stack([torch.randn(shape, generator=each, dtype=torch.float32) for each in own])
        noisy = {"generator": own} if self.settings.scheduler in STOCHASTIC else {}
        pipeline, unet = self.pipeline, self.pipeline.unet
        with numerics(self.profile), self._own_scheduler(), _no_word_of_cut_prompts(pipeline), torch.no_grad():
            text = {"prompt": prompts} if states is None else states.of(prompts, (spec.prompt for spec in upcoming))
            # A compiled network has the keys and values of text in its own code.
            with nullcontext() if self.profile.compiled else shared_text(unet):
                made = pipeline(
                    **text,
                    latents=latents.to(unet.device, unet.dtype),
                    num_inference_steps=self.settings.steps,
                    guidance_scale=self.settings.guidance,
                    height=self.settings.height,
                    width=self.settings.width,
                    output_type="latent",
                    **noisy,
                ).images
            images = [image for part in self._decoded(made[: len(specs)]) for image in part]
        return [_pixels(image) for image in images[: len(specs)]]

    def _decoded(self, latents: torch.Tensor) -> Iterator[NDArray[np.float32]]:
        """Images [n, height, width, 3] in [0, 1] of latents, in batches of one shape; the last is filled up."""
        vae, processor = self.pipeline.vae, self.pipeline.image_processor
        size = min(self.profile.batch_size, max(1, DECODED_PIXELS // (self.settings.width * self.settings.height)))
        for part in latents.split(size):
            full = torch.cat([part, part[-1:].expand(size - len(part), -1, -1, -1)])
            decoded = vae.decode(full.to(vae.dtype) / vae.config.scaling_factor).sample
            yield processor.postprocess(decoded, output_type="np")

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
