"""Random weights that take little disk: torch saves what several rows share once."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch

_SHIFT = 7


def thin(shape: torch.Size, generator: torch.Generator) -> torch.Tensor:
    """Random weights of this shape, normal, scaled by the width of the input: [out, in, ...].

    Row i is a window of one short line of numbers, _SHIFT further on than row i - 1; a file of them holds the line.
    """
    width = math.prod(shape[1:])
    line = torch.randn((shape[0] - 1) * _SHIFT + width, generator=generator) / math.sqrt(width)
    inner = [math.prod(shape[at + 1 :]) for at in range(1, len(shape))]
    return line.as_strided(tuple(shape), (_SHIFT, *inner))


def thin_state(shapes: Mapping[str, torch.Tensor], seed: int) -> dict[str, torch.Tensor]:
    """A state dict for these tensors, of which only name and shape are read: scales 1, shifts and means 0."""
    generator = torch.Generator().manual_seed(seed)
    return {name: _value(name, tensor, generator) for name, tensor in shapes.items()}


def _value(name: str, tensor: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    if tensor.ndim > 1:
        return thin(tensor.shape, generator)
    one = name.endswith(("weight", "running_var"))
    return torch.full(tensor.shape, float(one), dtype=tensor.dtype)
