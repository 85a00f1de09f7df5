"""Training images that the original model generates, and their noised latents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from PIL import Image
from torch import Tensor
from torchvision.transforms import functional as transforms

from erasebench.api.method import Workspace
from erasebench.diffusion.schedulers import build_scheduler
from erasebench.errors import UserError
from erasebench.files.sealed import sealed_write, whole
from erasebench.identity import digest
from erasebench.training.seeds import stream_seed

CHUNK = 64
"""Images that the autoencoder encodes at a time."""


class SampleSpec(NamedTuple):
    """An image to be sampled: its prompt, its seed, and its file."""

    prompt: str
    seed: int
    file: Path


def generated(prompts: Sequence[str], workspace: Workspace, label: str) -> list[Image.Image]:
    """One image of the original model for each prompt, sampled where the workspace's folder lacks it.

    A repeated prompt gives another image each time; the n-th image of a prompt has a seed of its own, whatever else is
    asked for, so that a killed or a larger run finds what was sampled.
    """
    counts: dict[str, int] = {}
    specs = []
    for prompt in prompts:
        counts[prompt] = counts.get(prompt, 0) + 1
        file = workspace.folder / "training-images" / f"{digest([prompt, counts[prompt]])[:16]}.png"
        specs.append(SampleSpec(prompt, stream_seed(workspace, prompt, counts[prompt]), file))
    return generate(specs, workspace, label)


def generate(specs: Sequence[SampleSpec], workspace: Workspace, label: str, **sampling: Any) -> list[Image.Image]:
    """The sample specs' images in RGB, sampled where their file is missing or damaged.

    `sampling`: steps, guidance and scheduler, where they are not the world's own. UserError as in read_image.
    """
    # A batch between two writes: it is what a kill can cost, and what the progress bar advances by.
    size = workspace.batch_size
    with workspace.progress(len(specs), f"{label}: training images") as progress:
        for first in range(0, len(specs), size):
            chunk = specs[first : first + size]
            if missing := [spec for spec in chunk if not whole(spec.file)]:
                images = workspace.sample(
                    [spec.prompt for spec in missing], [spec.seed for spec in missing], **sampling
                )
                for spec, image in zip(missing, images, strict=True):
                    with sealed_write(spec.file) as temporary:
                        image.convert("RGB").save(temporary)
            progress(len(chunk))
    return [read_image(spec.file, "RGB") for spec in specs]


def read_image(file: Path, mode: str) -> Image.Image:
    """A kept image or mask, in PIL's `mode`. UserError where it cannot be read."""
    try:
        with Image.open(file) as image:
            return image.convert(mode)
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error}).", "Remove that file and erase again.") from error


class NoisedImages(NamedTuple):
    """x_t [n, channels, h, w], timesteps [n], the noise in it, shaped as x_t; and v, where the model predicts that."""

    latents: Tensor
    timesteps: Tensor
    noise: Tensor
    velocity: Tensor | None = None

    @property
    def target(self) -> Tensor:
        """What the network should predict: the noise, or v."""
        return self.noise if self.velocity is None else self.velocity


def noised_latents(x_0: Tensor, timesteps: Tensor, noise: Tensor, diffusion: DDIMScheduler) -> NoisedImages:
    """x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) noise, for latents x_0 [n, channels, h, w] at timesteps [n].

    v = sqrt(abar_t) noise - sqrt(1 - abar_t) x_0 (Salimans and Ho, arXiv 2202.00512).
    """
    predicts_v = diffusion.config["prediction_type"] == "v_prediction"
    velocity = diffusion.get_velocity(x_0, noise, timesteps) if predicts_v else None
    return NoisedImages(diffusion.add_noise(x_0, noise, timesteps), timesteps, noise, velocity)


class Latents:
    """Images as the autoencoder's distributions, from which noised latents are drawn."""

    def __init__(self, mean: Tensor, deviation: Tensor, diffusion: DDIMScheduler) -> None:
        """`mean`, `deviation`: [images, channels, h, w], scaled as the U-Net expects and on its device."""
        self._mean, self._deviation, self._diffusion = mean, deviation, diffusion

    def __len__(self) -> int:
        return len(self._mean)

    def drawn(self, count: int, generator: torch.Generator) -> tuple[list[int], NoisedImages]:
        """`count` images at random: which they are, and `noised`."""
        chosen = torch.randint(len(self), (count,), generator=generator)
        return chosen.tolist(), self.noised(chosen, generator)

    def noised(self, chosen: Tensor, generator: torch.Generator, density: Tensor | None = None) -> NoisedImages:
        """The images number `chosen` [n] at timesteps drawn by `density`, with fresh encoder noise and noise.

        `density`: each timestep's probability, [timesteps] on the CPU; none: all are as likely.
        """
        if density is None:
            timesteps = torch.randint(self._diffusion.config.num_train_timesteps, chosen.shape, generator=generator)
        else:
            timesteps = torch.multinomial(density, len(chosen), replacement=True, generator=generator)
        x_0 = self._encoded(chosen, generator)
        noise = torch.randn(x_0.shape, generator=generator).to(x_0)
        return noised_latents(x_0, timesteps.to(x_0.device), noise, self._diffusion)

    def encoded_anew(self, chosen: Tensor, x: NoisedImages, generator: torch.Generator) -> NoisedImages:
        """`x`, of the images number `chosen` [n], with fresh encoder noise: its timesteps and noise, another latent."""
        return noised_latents(self._encoded(chosen, generator), x.timesteps, x.noise, self._diffusion)

    def _encoded(self, chosen: Tensor, generator: torch.Generator) -> Tensor:
        """A draw from the distributions of the images number `chosen` [n]."""
        mean, deviation = self._mean[chosen.to(self._mean.device)], self._deviation[chosen.to(self._mean.device)]
        return mean + deviation * torch.randn(mean.shape, generator=generator).to(mean)


def autoencoder_range(pixels: Tensor) -> Tensor:
    """Pixels in [0, 1] as the autoencoder expects them, in [-1, 1]."""
    return pixels * 2 - 1


@torch.no_grad()
def encoded(
    pipeline: StableDiffusionPipeline,
    images: Sequence[Image.Image],
    normalised: Callable[[Tensor], Tensor] = autoencoder_range,
) -> Latents:
    """RGB images of one size as latents of the pipeline; `normalised` takes pixels [n, 3, H, W] in [0, 1]."""
    vae, dtype = pipeline.vae, pipeline.unet.dtype
    means, deviations = [], []
    for first in range(0, len(images), CHUNK):
        pixels = torch.stack([transforms.to_tensor(image) for image in images[first : first + CHUNK]])
        found = vae.encode(normalised(pixels).to(vae.device, vae.dtype)).latent_dist
        means.append((found.mean * vae.config.scaling_factor).to(dtype))
        deviations.append((found.std * vae.config.scaling_factor).to(dtype))
    return Latents(torch.cat(means), torch.cat(deviations), build_scheduler("ddim", pipeline))
