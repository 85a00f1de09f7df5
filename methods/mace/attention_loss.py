"""The LoRA stage's loss: attention that the concept's region pays to the concept's tokens (paper, section 4.2)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from erasebench.errors import UserError


def map_size(pixels: int, latent_height: int, latent_width: int) -> tuple[int, int]:
    """(height, width) of a map of `pixels` queries: the latent's size, halved (rounded up) as often as needed.

    UserError if no halving gives that number: the U-Net then does not downsample by two.
    """
    height, width = latent_height, latent_width
    while height * width > pixels:
        height, width = (height + 1) // 2, (width + 1) // 2
    if height * width != pixels:
        raise UserError(
            f"An attention map has {pixels} pixels, which no halving of {latent_height}x{latent_width} latents gives.",
            "Use a U-Net that downsamples by two, as Stable Diffusion's does.",
        )
    return height, width


def resize_mask(masks: Tensor, size: tuple[int, int]) -> Tensor:
    """Masks [n, H, W] at a map's size [n, h, w]: nearest, thresholded at 0.5; max-pooled where that is empty.

    A small figure would otherwise vanish between the samples of a coarse map and train nothing.
    """
    planes = masks[:, None].float()
    nearest = F.interpolate(planes, size=size, mode="nearest") >= 0.5
    pooled = F.adaptive_max_pool2d(planes, size) >= 0.5
    empty = ~nearest.flatten(1).any(dim=1)
    return torch.where(empty[:, None, None, None], pooled, nearest)[:, 0]


class AttentionLoss:
    """Sums, over the attention maps that it is shown, the norm of what the masked pixels pay to the marked tokens.

    `masks`: bool [batch, H, W] at image size; `tokens`: bool [batch, positions]; `latent_size`: (height, width).
    """

    def __init__(self, masks: Tensor, tokens: Tensor, latent_size: tuple[int, int]) -> None:
        self._masks = masks
        self._tokens = tokens
        self._latent_size = latent_size
        self._resized: dict[int, Tensor] = {}
        self._terms: list[Tensor] = []

    def record(self, _: str, probabilities: Tensor) -> None:
        """Add one map [batch, heads, pixels, positions]: its Frobenius norm over all heads together, per sample."""
        pixels = probabilities.shape[2]
        if pixels not in self._resized:
            resized = resize_mask(self._masks, map_size(pixels, *self._latent_size))
            self._resized[pixels] = resized.flatten(1)
        region = self._resized[pixels][:, :, None] & self._tokens[:, None, :]
        selected = probabilities * region[:, None].to(probabilities.dtype)
        self._terms.append(torch.linalg.vector_norm(selected.flatten(1), dim=1))

    def per_sample(self) -> Tensor:
        """The loss of each sample, [batch]: the sum over all maps recorded so far."""
        return torch.stack(self._terms).sum(dim=0)
