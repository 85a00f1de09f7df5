"""The formulas that several papers train with, each written once. A formula of one paper alone is in its method's file.

`eps`: a network's prediction eps(x_t, t, c), of the noise; `x`: noised images [n, channels, h, w]; text states
[n, tokens, d]. Where a network predicts v = (eps - sqrt(1 - abar_t) x_t) / sqrt(abar_t), the formulas are the same:
they add predictions up with weights that sum to 1, so that x_t cancels, and each loss is that of eps over abar_t.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from erasebench.training.images import NoisedImages

    Eps = Callable[[Tensor, Tensor, Tensor], Tensor]


def guided(eps_none: Tensor, eps_concept: Tensor, scale: float) -> Tensor:
    """eps(none) + s (eps(c) - eps(none)): classifier-free guidance (Ho and Salimans, arXiv 2207.12598)."""
    return eps_none + scale * (eps_concept - eps_none)


def guided_away(eps0_start: Tensor, eps0_concept: Tensor, eta: float, eps0_nothing: Tensor | None = None) -> Tensor:
    """eps_0(start) - eta (eps_0(c) - eps_0(none)): what the original predicts when it is guided away from the concept.

    The target of ESD (arXiv 2303.07345), which starts at the empty prompt or at a text that the concept is erased from.
    eps_0(none) is the start where it is not given: SPM (arXiv 2312.16145) has its anchor in both places.
    """
    return eps0_start - eta * (eps0_concept - (eps0_start if eps0_nothing is None else eps0_nothing))


def denoising_loss(eps: Eps, x: NoisedImages, states: Tensor) -> Tensor:
    """||eps(x_t, c) - noise||^2, diffusion's own training loss (Ho et al., arXiv 2006.11239, eq. 14); v likewise.

    Concept Ablation's prior, SalUn's remain loss, and the textual inversion before Forget-Me-Not.
    """
    return (eps(x.latents, x.timesteps, states) - x.target).square().mean()
