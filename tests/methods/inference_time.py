"""What the tests of inference-time methods share: a plain call of the pipeline, and a sampler written out by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from torch import Tensor

from erasebench.diffusion.sampling import noise
from tests.tiny_model import tiny_pipeline

GUIDANCE = 4.0
Guide = Callable[[Tensor, Tensor, int], Tensor]
"""(eps of the prompt, latents, timestep) to the noise prediction that the scheduler steps with, one image at a time."""


def ddim_pipeline() -> StableDiffusionPipeline:
    """The tiny pipeline with the sampler's scheduler, in float64: SLD multiplies rounding by thousands."""
    pipeline = tiny_pipeline().to(dtype=torch.float64)
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    return pipeline


def latents_of(pipeline: StableDiffusionPipeline, prompts: Sequence[str], steps: int, **more: object) -> Tensor:
    """The last latents of a plain diffusers call; image i has seed i + 1."""
    start = torch.stack([noise(i + 1, (4, 8, 8)) for i in range(len(prompts))]).double()
    return pipeline(
        list(prompts),
        latents=start,
        num_inference_steps=steps,
        guidance_scale=GUIDANCE,
        output_type="latent",
        **more,
    ).images


def states_of(pipeline: StableDiffusionPipeline, text: str) -> Tensor:
    """[1, 77, d], without any of erasebench's code."""
    ids = pipeline.tokenizer(text, padding="max_length", max_length=77, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        return pipeline.text_encoder(ids)[0]


@torch.no_grad()
def eps_of(pipeline: StableDiffusionPipeline, latents: Tensor, timestep: int, states: Tensor) -> Tensor:
    """The noise prediction of one image."""
    return pipeline.unet(latents, timestep, encoder_hidden_states=states).sample


def by_hand(pipeline: StableDiffusionPipeline, prompt: str, seed: int, steps: int, guide: Guide) -> Tensor:
    """The last latents [4, 8, 8] of one image, sampled step by step."""
    scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    scheduler.set_timesteps(steps)
    latents, states = noise(seed, (4, 8, 8))[None].double(), states_of(pipeline, prompt)
    for timestep in scheduler.timesteps.tolist():
        eps = guide(eps_of(pipeline, latents, timestep, states), latents, timestep)
        latents = scheduler.step(eps, timestep, latents).prev_sample
    return latents[0]
