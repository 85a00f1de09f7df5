"""Painted pictures to train a judge on: a set drawn once, half of it seen through the world's autoencoder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from erasebench.worlds.miniature.painter import Labels, Picture

Paint = Callable[[np.random.Generator], Picture]
Reconstruct = Callable[[np.ndarray], np.ndarray]
"""uint8 pictures [n, 64, 64, 3] through the autoencoder and back, so that its blur is nothing new to a judge."""

PICTURES = 16_000
_AT_ONCE = 64


@dataclass(frozen=True)
class Pictures:
    """Images uint8 [n, 64, 64, 3], caption and labels of each, masks bool [n, parts, 64, 64] of the parts asked for."""

    images: np.ndarray
    captions: list[str]
    labels: list[Labels]
    masks: np.ndarray


def paint_pictures(
    n: int, seed: int, paint: Paint, *, parts: tuple[str, ...] = (), reconstruct: Reconstruct | None = None
) -> Pictures:
    """`n` pictures, the i-th from `seed` and i alone; every second one reconstructed where a way to do so is given."""
    painted = [paint(np.random.default_rng([seed, at])) for at in range(n)]
    images = np.stack([picture.image for picture in painted])
    if reconstruct is not None:
        for start in range(1, n, 2 * _AT_ONCE):
            every_second = slice(start, min(start + 2 * _AT_ONCE, n), 2)
            images[every_second] = reconstruct(images[every_second])
    masks = np.zeros((n, len(parts), *images.shape[1:3]), dtype=bool)
    for at, picture in enumerate(painted):
        for part, name in enumerate(parts):
            if name in picture.masks:
                masks[at, part] = picture.masks[name]
    return Pictures(images, [p.caption for p in painted], [p.labels for p in painted], masks)


def mixture(paints: dict[Paint, float]) -> Paint:
    """A painter that draws one of several with the given shares."""
    kinds = list(paints)
    shares = np.array(list(paints.values())) / sum(paints.values())

    def paint(rng: np.random.Generator) -> Picture:
        return kinds[int(rng.choice(len(kinds), p=shares))](rng)

    return paint


def draw(n: int, batch: int, generator: torch.Generator) -> Tensor:
    """`batch` different picture numbers out of `n`."""
    return torch.randperm(n, generator=generator)[:batch]
