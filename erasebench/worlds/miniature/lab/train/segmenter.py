"""Trains the segmenter on the painter's exact masks."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from erasebench.worlds.miniature import painter
from erasebench.worlds.miniature.judges.networks import channels_last, normalised, save_network
from erasebench.worlds.miniature.judges.segmenter import FILE, PARTS, SegmenterNetwork
from erasebench.worlds.miniature.lab.train.augment import degrade, warp
from erasebench.worlds.miniature.lab.train.loop import fit, step_generator
from erasebench.worlds.miniature.lab.train.pictures import Reconstruct, draw, mixture, paint_pictures

STEPS = 700
BATCH = 48
SEED = 303
PICTURES = 6_000

_PAINT = mixture(
    {
        lambda rng: painter.paint_person(None, None, rng): 0.2,
        lambda rng: painter.paint_object(None, rng): 0.54,
        lambda rng: painter.paint_general(rng): 0.12,
        lambda rng: painter.paint_mannequin(None, rng): 0.1,
        lambda rng: painter.paint_style(None, rng): 0.04,
    }
)


def train(
    out: Path,
    device: torch.device,
    steps: int | None = None,
    *,
    pictures: int = PICTURES,
    reconstruct: Reconstruct | None = None,
) -> None:
    """Write `out`/segmenter.safetensors. `reconstruct` is the trained autoencoder's way there and back, if any."""
    data = paint_pictures(pictures, SEED, _PAINT, parts=PARTS, reconstruct=reconstruct)
    images, masks = torch.from_numpy(data.images), torch.from_numpy(data.masks)

    def loss(model: nn.Module, step: int) -> tuple[Tensor, dict[str, float]]:
        generator = step_generator(SEED, step)
        chosen = draw(len(images), BATCH, generator)
        both = torch.cat([normalised(images[chosen].to(device)), masks[chosen].to(device).float()], dim=1)
        both = warp(both, generator)
        logits = model(degrade(both[:, :3], generator)).float()
        wanted = (both[:, 3:] > 0.5).float()
        wanted = torch.cat([wanted, (wanted.sum(1, keepdim=True) == 0).float()], dim=1)
        pixelwise = functional.cross_entropy(logits, wanted.argmax(1))
        overlap = _dice(logits.softmax(1)[:, : len(PARTS)], wanted[:, : len(PARTS)])
        return pixelwise + overlap, {"pixelwise": float(pixelwise.detach()), "dice": float(overlap.detach())}

    torch.manual_seed(SEED)
    network = fit(
        "segmenter", channels_last(SegmenterNetwork()), loss, steps=steps or STEPS, lr=2e-3, out=out, device=device
    )
    save_network(network, out / FILE, PARTS)


def _dice(found: Tensor, wanted: Tensor) -> Tensor:
    """1 - 2 |found and wanted| / (|found| + |wanted|), averaged over the parts that are on a picture."""
    both = (found * wanted).sum((2, 3))
    either = found.sum((2, 3)) + wanted.sum((2, 3))
    there = wanted.sum((2, 3)) > 0
    return (1 - 2 * both / either.clamp(min=1e-6))[there].mean()
