"""Concept Ablation's loss, both variants; loads no torch by itself.

`eps`: the network's noise prediction eps(x_t, t, c); `x`: noised images [n, channels, h, w]; states [n, tokens, d].
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from erasebench.training.objectives import denoising_loss

from .config import Variant

if TYPE_CHECKING:
    from torch import Tensor

    from erasebench.training.images import NoisedImages
    from erasebench.training.objectives import Eps


def ablation_target(eps: Eps, x: NoisedImages, anchor: Tensor, variant: Variant) -> Tensor:
    """stopgrad eps(x_t, anchor), or the noise (v) in x_t (arXiv 2303.13516, eq. 5 and 4), [n, channels, h, w]."""
    import torch

    if variant == "noise-based":
        return x.target
    with torch.no_grad():
        return eps(x.latents, x.timesteps, anchor)


def masked_square(difference: Tensor, mask: Tensor | None) -> Tensor:
    """The squared norm over channels, averaged over the mask's pixels and then over the images.

    `difference` [n, channels, h, w]; `mask` [n, 1, h, w], none: all pixels. Summed over channels, as the paper's norm
    and the release are: with a prior, whose square is a plain mean, it decides the weight between the two.
    """
    square = difference.square().sum(dim=1, keepdim=True)
    if mask is None:
        return square.mean()
    return ((square * mask).flatten(1).sum(dim=1) / mask.flatten(1).sum(dim=1)).mean()


def ablation_loss(
    eps: Eps,
    x: NoisedImages,
    concept: Tensor,
    anchor: Tensor,
    variant: Variant = "model-based",
    mask: Tensor | None = None,
) -> Tensor:
    """||eps(x_t, c) - target||^2 inside the mask; `concept`, `anchor`: states of the same prompts with either."""
    target = ablation_target(eps, x, anchor, variant)
    return masked_square(eps(x.latents, x.timesteps, concept) - target, mask)


def with_prior(loss: Tensor, eps: Eps, y: NoisedImages, anchor: Tensor, prior_weight: float) -> Tensor:
    """`loss` + weight x ||eps(y_t, anchor) - noise||^2 on other images `y` of the anchor, a plain mean of squares."""
    return loss + prior_weight * denoising_loss(eps, y, anchor)
