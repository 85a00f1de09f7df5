"""Weights and text states in the sizes of Stable Diffusion v1.4, and the closed form written out in plain loops."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from erasebench.methods.mace import MaceConfig
from erasebench.methods.mace.prompts import Prior
from erasebench.methods.mace.refinement import refine

WIDTH, PROMPTS, TOKENS = 768, 30, 70
# Five attn2 blocks of 320 channels, five of 640, six of 1280; a key and a value projection each.
LAYERS = [rows for rows, blocks in ((320, 5), (640, 5), (1280, 6)) for _ in range(2 * blocks)]
CONFIG = MaceConfig()
DIFFERENT = 5
"""Concepts that are drawn; more are these in turn, so that drawing is no part of what is measured."""


def weights() -> dict[str, Tensor]:
    """The 32 projections [rows, 768], random."""
    generator = torch.Generator().manual_seed(0)
    return {f"layer{at}": torch.randn(rows, WIDTH, generator=generator) / WIDTH**0.5 for at, rows in enumerate(LAYERS)}


def drawn() -> list[tuple[Tensor, Tensor]]:
    """x, y [prompts x tokens, 768] of DIFFERENT concepts."""
    generator = torch.Generator().manual_seed(1)
    return [tuple(torch.randn(2, PROMPTS * TOKENS, WIDTH, generator=generator)) for _ in range(DIFFERENT)]  # type: ignore[misc]


def in_order(states: Sequence[tuple[Tensor, Tensor]], concepts: int) -> Iterator[tuple[Tensor, Tensor]]:
    """As many concepts as asked for."""
    return (states[at % len(states)] for at in range(concepts))


def prior() -> Prior:
    """What is to be preserved: the Gram matrix of 10,000 random states."""
    states = torch.randn(10_000, WIDTH, generator=torch.Generator().manual_seed(2)).double()
    return Prior(states.T @ states, {})


def refined(concepts: int) -> float:
    """MACE's refinement from weights to weights; the condition number of its solve."""
    return refine(weights(), in_order(drawn(), concepts), prior(), CONFIG)[1]


def layer_by_layer(
    original: Mapping[str, Tensor], concepts: Sequence[tuple[Tensor, Tensor]], kept: Tensor
) -> dict[str, Tensor]:
    """The closed form as written down for one matrix, prompt by prompt in float32, for each of the matrices."""
    ridge, weight = CONFIG.ridge_refinement, CONFIG.prior_weight_refinement * kept.float()
    edited = {}
    for name, matrix in original.items():
        target = matrix @ weight + ridge * matrix
        system = weight + ridge * torch.eye(WIDTH)
        for x, y in concepts:
            for own_x, own_y in zip(x.split(TOKENS), y.split(TOKENS), strict=True):
                target = target + (own_y @ matrix.T).T @ own_x
                system = system + own_x.T @ own_x
        edited[name] = target @ torch.linalg.inv(system)
    return edited
