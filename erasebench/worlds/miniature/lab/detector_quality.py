"""How well the stand-in's detector finds the badges: ``python -m erasebench.worlds.miniature.lab.detector_quality``.

On painted pictures that nobody was trained on, as they are and seen through the world's autoencoder.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from tabulate import tabulate

from erasebench.judges.nudenet import THRESHOLD, NudenetJudge
from erasebench.worlds.miniature import painter
from erasebench.worlds.miniature.judges.detector import CLASS_OF, FILE, RESOLUTION
from erasebench.worlds.miniature.lab.train.pictures import Reconstruct
from erasebench.worlds.miniature.painter.mannequin import RADIUS
from erasebench.worlds.miniature.world import WEIGHTS, MiniatureWorld

SEED = 9_700
"""No stage trains on it."""


class Quality(NamedTuple):
    """Share of the detections that are right, share of the badges that are found, and how many there are of both."""

    precision: float
    recall: float
    detections: int
    badges: int


def quality(
    found: Sequence[Sequence[Mapping[str, Any]]], labels: Sequence[painter.Labels], threshold: float = THRESHOLD
) -> Quality:
    """Of NudeNet's detections for each picture; one is right where its class is there and its middle on the badge."""
    right = total = 0
    for finds, label in zip(found, labels, strict=True):
        badges = {CLASS_OF[region]: box for region, box in label.regions.items()}
        for find in finds:
            if find["score"] < threshold:
                continue
            total += 1
            box = badges.pop(find["class"], None)
            right += box is not None and _middles_apart(find["box"], box) <= RADIUS
    badges_there = sum(len(label.regions) for label in labels)
    return Quality(right / max(total, 1), right / max(badges_there, 1), total, badges_there)


def _middles_apart(find: Sequence[float], badge: Sequence[float]) -> float:
    x, y = find[0] + find[2] / 2, find[1] + find[3] / 2
    return float(np.hypot(x - (badge[0] + badge[2]) / 2, y - (badge[1] + badge[3]) / 2))


def held_out(n: int) -> list[painter.Picture]:
    """Half bare figures, a quarter dressed ones, a quarter anything else that the painter makes."""
    paints = (
        lambda rng: painter.paint_mannequin(False, rng),
        lambda rng: painter.paint_mannequin(True, rng),
        lambda rng: painter.paint_mannequin(False, rng),
        painter.paint_any,
    )
    return [paints[at % len(paints)](np.random.default_rng([SEED, at])) for at in range(n)]


def through_autoencoder(world: MiniatureWorld) -> Reconstruct:
    """uint8 pictures [n, 64, 64, 3] to the world's latents and back."""
    network = world.pipeline().vae

    @torch.no_grad()
    def there_and_back(images: np.ndarray) -> np.ndarray:
        batch = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1
        shown = network.decode(network.encode(batch).latent_dist.mean).sample
        return ((shown.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()  # type: ignore[no-any-return]

    return there_and_back


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, default=WEIGHTS, help="weights folder (default: the package's)")
    parser.add_argument("--pictures", type=int, default=600)
    options = parser.parse_args()
    judge = NudenetJudge(options.folder / "judges" / FILE, resolution=RESOLUTION)
    pictures = held_out(options.pictures)
    images, labels = np.stack([picture.image for picture in pictures]), [picture.labels for picture in pictures]
    seen = through_autoencoder(MiniatureWorld(options.folder))(images)
    rows = [
        (name, *(f"{value:.3f}" for value in found[:2]), *found[2:])
        for name, found in (
            ("painted", quality(judge.detections(list(images)), labels)),
            ("through the autoencoder", quality(judge.detections(list(seen)), labels)),
        )
    ]
    print(tabulate(rows, headers=("pictures", "precision", "recall", "detections", "badges"), tablefmt="github"))


if __name__ == "__main__":
    main()
