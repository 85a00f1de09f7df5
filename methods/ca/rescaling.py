"""Training images in other sizes, with the masks that the loss then counts in.

Concept Ablation's release has it for objects, from Custom Diffusion (Kumari et al., CVPR 2023, arXiv 2212.04488).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from torch import Tensor

from erasebench.errors import UserError
from erasebench.training.images import NoisedImages, encoded

SMALLER_SHARE = 0.66
SMALLEST = 1 / 3
LARGER = (1.2, 1.4)
FEWEST_CELLS = 3
"""Latents that a smaller picture is at least wide, so that something is left of it without its rim."""


def require_rescalable(pipeline: StableDiffusionPipeline) -> None:
    """UserError for a model whose pictures are not square, or too few latents wide to be made smaller."""
    size = pipeline.unet.config["sample_size"]
    height, width = (size, size) if isinstance(size, int) else size
    if height != width or width <= FEWEST_CELLS:
        pixels = pipeline.vae_scale_factor
        raise UserError(
            f"The model's images are {width * pixels} x {height * pixels} pixels, {width} x {height} latents; "
            f"ca.rescaling needs square images of at least {FEWEST_CELLS + 1} latents a side.",
            "Leave ca.rescaling out: set it to false.",
        )


class Rescaled(NamedTuple):
    """A picture of the original's size, and where its loss counts: [1, h, w] of ones and zeros, one for each latent."""

    image: Image.Image
    mask: Tensor


def rescaled(image: Image.Image, latent_side: int, generator: torch.Generator) -> Rescaled:
    """The square `image` at random smaller (66 in 100), pasted anywhere on black, or enlarged and cropped anywhere.

    Smaller: a third to the whole of its side, and the mask is the picture without a rim of one latent. Larger: 1.2 to
    1.4 times, and the mask is all ones.
    """
    side = image.width
    share, size, across, down = torch.rand(4, generator=generator).tolist()
    mask = torch.zeros(1, latent_side, latent_side)
    if share >= SMALLER_SHARE:
        larger = round(side * (LARGER[0] + size * (LARGER[1] - LARGER[0])))
        left, top = int(across * (larger - side + 1)), int(down * (larger - side + 1))
        enlarged = image.resize((larger, larger), Image.Resampling.BILINEAR)
        return Rescaled(enlarged.crop((left, top, left + side, top + side)), mask + 1)
    cell = side // latent_side
    smallest = max(round(side * SMALLEST), FEWEST_CELLS * cell)
    smaller = smallest + int(size * (side - smallest + 1))
    left, top = int(across * (side - smaller + 1)), int(down * (side - smaller + 1))
    canvas = Image.new(image.mode, image.size)
    canvas.paste(image.resize((smaller, smaller), Image.Resampling.BILINEAR), (left, top))
    rows, columns = (slice(at // cell + 1, (at + smaller) // cell - 1) for at in (top, left))
    mask[:, rows, columns] = 1
    return Rescaled(canvas, mask)


def noised_rescaled(
    pipeline: StableDiffusionPipeline, images: Sequence[Image.Image], generator: torch.Generator
) -> tuple[NoisedImages, Tensor]:
    """The images rescaled and noised, and their masks [n, 1, h, w], on the U-Net's device."""
    latent_side = images[0].width // pipeline.vae_scale_factor
    drawn = [rescaled(image, latent_side, generator) for image in images]
    x = encoded(pipeline, [each.image for each in drawn]).noised(torch.arange(len(drawn)), generator)
    return x, torch.stack([each.mask for each in drawn]).to(x.latents)
