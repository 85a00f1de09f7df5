"""What is done to painted pictures so that a judge is at home with painted, blurred and slightly wrong ones alike."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor
from torch.nn import functional

_CHUNKS = 4


def _uniform(shape: tuple[int, ...], low: float, high: float, generator: Generator) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator)


def _chance(n: int, share: float, generator: Generator) -> Tensor:
    return torch.rand((n, 1, 1, 1), generator=generator) < share


def warp(x: Tensor, generator: Generator) -> Tensor:
    """Move, turn, scale and bend [n, channels, h, w] by a few pixels; each picture differently, the border mirrored."""
    n, _, height, width = x.shape
    angle = _uniform((n,), -0.09, 0.09, generator)
    scale = _uniform((n,), 0.92, 1.1, generator)
    shift = _uniform((n, 2), -0.1, 0.1, generator)
    rows = [torch.stack([scale * angle.cos(), -scale * angle.sin(), shift[:, 0]], 1)]
    rows += [torch.stack([scale * angle.sin(), scale * angle.cos(), shift[:, 1]], 1)]
    grid = functional.affine_grid(torch.stack(rows, 1), [n, 1, height, width], align_corners=False)
    bend = _uniform((n, 2, 5, 5), -0.05, 0.05, generator) * _uniform((n, 1, 1, 1), 0, 1, generator)
    bend = functional.interpolate(bend, size=(height, width), mode="bicubic", align_corners=True)
    grid = (grid + bend.permute(0, 2, 3, 1)).to(x.device)
    return functional.grid_sample(x, grid, padding_mode="reflection", align_corners=False)


def degrade(x: Tensor, generator: Generator) -> Tensor:
    """Pictures [n, 3, h, w] in [-1, 1] with a little other light, blur, noise and a hole in some of them."""
    n = len(x)
    contrast = _uniform((n, 1, 1, 1), 0.85, 1.15, generator).to(x.device)
    light = _uniform((n, 1, 1, 1), -0.1, 0.1, generator).to(x.device)
    tint = _uniform((n, 3, 1, 1), -0.03, 0.03, generator).to(x.device)
    grey = x.mean(1, keepdim=True)
    saturation = _uniform((n, 1, 1, 1), 0.8, 1.15, generator).to(x.device)
    x = (grey + (x - grey) * saturation) * contrast + light + tint
    x = _blurred(x, generator)
    noise = torch.randn(x.shape, generator=generator) * _uniform((n, 1, 1, 1), 0, 0.12, generator)
    x = x + (noise * _chance(n, 0.5, generator)).to(x.device)
    return _with_holes(x, generator).clamp(-1, 1)


def _blurred(x: Tensor, generator: Generator) -> Tensor:
    """Half of the pictures made smaller and larger again, as a small autoencoder smooths them."""
    parts = list(x.chunk(_CHUNKS))
    for at in range(0, len(parts), 2):
        side = int(torch.randint(20, 56, (1,), generator=generator))
        small = functional.interpolate(parts[at], size=(side, side), mode="bilinear", antialias=True)
        parts[at] = functional.interpolate(small, size=x.shape[2:], mode="bicubic")
    return torch.cat(parts)


def _with_holes(x: Tensor, generator: Generator) -> Tensor:
    """A rectangle of one colour over at most a tenth of the picture, in a third of them."""
    n, _, height, width = x.shape
    side = math.sqrt(0.1)
    sizes = _uniform((n, 2), 0.05, side, generator) * torch.tensor([height, width])
    corners = torch.rand((n, 2), generator=generator) * torch.tensor([height, width])
    ys, xs = torch.arange(height)[None, :, None], torch.arange(width)[None, None, :]
    (top, left), (tall, wide) = corners.T[:, :, None, None], sizes.T[:, :, None, None]
    inside = (ys >= top) & (ys < top + tall) & (xs >= left) & (xs < left + wide)
    hole = (inside[:, None] & _chance(n, 0.33, generator)).to(x.device)
    colour = _uniform((n, 3, 1, 1), -1, 1, generator).to(x.device)
    return torch.where(hole, colour, x)
