"""Training images that the original model paints, and their noised latents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from diffusers import DDPMScheduler, StableDiffusionPipeline
from PIL import Image
from torch import Tensor
from torchvision.transforms import functional as transforms

from erasebench.atomic import atomic_write
from erasebench.errors import UserError
from erasebench.identity import digest
from erasebench.method import Workspace

CHUNK = 64
"""Images painted between two writes: what a kill can cost."""


def painted(prompts: Sequence[str], workspace: Workspace, label: str) -> list[Image.Image]:
    """One image of the original model for each prompt, painted where the workspace's folder lacks it.

    A repeated prompt gives another image each time; the n-th image of a prompt has a seed of its own, whatever else is
    asked for, so that a killed or a larger run finds what was painted.
    """
    counts: dict[str, int] = {}
    shots = []
    for prompt in prompts:
        counts[prompt] = counts.get(prompt, 0) + 1
        key = digest([workspace.seed, prompt, counts[prompt]])
        shots.append((prompt, int(key[:8], 16) >> 1, workspace.folder / "training-images" / f"{key[:16]}.png"))
    with workspace.progress(len(shots), f"{label}: training images") as progress:
        for first in range(0, len(shots), CHUNK):
            chunk = shots[first : first + CHUNK]
            missing = [shot for shot in chunk if not shot[2].exists()]
            images = workspace.sample([shot[0] for shot in missing], [shot[1] for shot in missing]) if missing else []
            for (_, _, path), image in zip(missing, images, strict=True):
                with atomic_write(path) as temporary:
                    image.convert("RGB").save(temporary)
            progress(len(chunk))
    try:
        return [Image.open(path).convert("RGB") for _, _, path in shots]
    except OSError as error:
        raise UserError(f"A training image cannot be read ({error}).", "Remove its file and erase again.") from error


class NoisedImages(NamedTuple):
    """x_t [n, channels, h, w], timesteps [n], and the noise in it, shaped as x_t."""

    latents: Tensor
    timesteps: Tensor
    noise: Tensor


class Latents:
    """Images as the autoencoder's distributions, from which noised latents are drawn."""

    def __init__(self, pipeline: StableDiffusionPipeline, images: Sequence[Image.Image]) -> None:
        """UserError through torchvision for images of different sizes; they are scaled to the autoencoder's [-1, 1]."""
        self._diffusion = DDPMScheduler.from_config(pipeline.scheduler.config)
        vae = pipeline.vae
        means, deviations = [], []
        with torch.no_grad():
            for first in range(0, len(images), CHUNK):
                pixels = torch.stack([transforms.pil_to_tensor(image) for image in images[first : first + CHUNK]])
                encoded = vae.encode((pixels / 127.5 - 1).to(vae.device, vae.dtype)).latent_dist
                means.append(encoded.mean * vae.config.scaling_factor)
                deviations.append(encoded.std * vae.config.scaling_factor)
        self._mean, self._deviation = torch.cat(means), torch.cat(deviations)

    def __len__(self) -> int:
        return len(self._mean)

    def noised(self, chosen: Tensor, generator: torch.Generator) -> NoisedImages:
        """The images number `chosen` [n] at timesteps drawn uniformly, with fresh encoder noise and noise."""
        mean, deviation = self._mean[chosen.to(self._mean.device)], self._deviation[chosen.to(self._mean.device)]
        timesteps = torch.randint(self._diffusion.config.num_train_timesteps, (len(chosen),), generator=generator)
        timesteps = timesteps.to(mean.device)
        encoder_noise, noise = (torch.randn(mean.shape, generator=generator).to(mean) for _ in range(2))
        latents = self._diffusion.add_noise(mean + deviation * encoder_noise, noise, timesteps)
        return NoisedImages(latents, timesteps, noise)
