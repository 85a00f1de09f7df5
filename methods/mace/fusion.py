"""Stage 3, closed-form fusion: one set of weights that acts like each LoRA on its own concept (paper, section 4.3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from erasebench.editing.gram import gram
from erasebench.editing.solve import Factor

from .config import MaceConfig
from .lora import Lora
from .prompts import Prior

HINT = (
    "Raise mace.ridge_fusion (1 is enough on Stable Diffusion) or mace.prior_weight_fusion, "
    "or set mace.allow_ill_conditioned=true."
)


def fuse(
    original: Mapping[str, Tensor],
    refined: Mapping[str, Tensor],
    concepts: Iterable[tuple[Tensor, Lora]],
    prior: Prior,
    config: MaceConfig,
) -> tuple[dict[str, Tensor], float]:
    """W* = W_r + [sum_i B_i (A_i G_i) + p (W_0 - W_r) G_prior] S^-1 with S = sum_i G_i + p G_prior + l I.

    `concepts` gives, one at a time, the states [prompts, positions, d] of concept i's erased prompts (their Gram matrix
    is G_i) and its LoRA. Returns the fused weights (float64) and the condition number of S.
    """
    p = config.prior_weight_fusion
    system = p * prior.gram
    system.diagonal().add_(config.ridge_fusion)
    right = {name: p * (original[name].double() - refined[name]) @ prior.gram for name in refined}
    for states, lora in concepts:
        concept_gram = gram(states)
        system += concept_gram
        for name, (down, up) in lora.pairs(system.device).items():
            right[name] += up @ (down @ concept_gram)
    factor = Factor(system, what="MACE's fusion", hint=HINT, allow_ill_conditioned=config.allow_ill_conditioned)
    return {name: refined[name] + factor.right_solve(right[name]) for name in refined}, factor.condition


def add_naively(refined: Mapping[str, Tensor], loras: Iterable[Lora]) -> dict[str, Tensor]:
    """W_r + sum_i B_i A_i, the ablation's straw man: every LoRA acts on every prompt."""
    total = {name: weight.clone() for name, weight in refined.items()}
    for lora in loras:
        for name, (down, up) in lora.pairs(torch.device(next(iter(total.values())).device)).items():
            total[name] += up @ down
    return total
