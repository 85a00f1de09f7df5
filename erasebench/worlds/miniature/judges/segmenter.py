"""The segmenter of the miniature world: masks for people, the ten object classes and the mannequin."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor, nn

from erasebench.api.method import Box, Segmentation
from erasebench.files.source import source_digest
from erasebench.identity import digest, file_digest
from erasebench.worlds.miniature.concept_lists import people
from erasebench.worlds.miniature.painter.objects import CLASSES, SYNONYMS

from . import networks
from .networks import SIZE, ResidualBlock, as_batch, load_network

FILE = "segmenter.safetensors"
PARTS = ("person", *CLASSES, "mannequin")
"""One mask each: output i of the network is the i-th of them. The same names as the painter's masks."""
THRESHOLD = 0.5
SMALLEST = 24
"""Pixels; a smaller patch is no find."""
_WORDS = {
    "person": ("person", "man", "woman", "people", "face", "somebody", "portrait"),
    "mannequin": (
        *("mannequin", "figure", "nudity", "naked", "erotic", "sexual", "nude", "undressed"),
        *("a person wearing clothes", "a wooden mannequin"),
    ),
}


class SegmenterNetwork(nn.Module):
    """Pictures [n, 3, 64, 64] to logits [n, 13, 64, 64]: of every part, and last of what belongs to none.

    Three halvings, three doublings, skips between. A pixel belongs to one part, so the parts compete for it.
    """

    def __init__(self) -> None:
        super().__init__()
        widths = (16, 32, 64, 128)
        self.stem = nn.Conv2d(3, widths[0], 3, 1, 1)
        self.down = nn.ModuleList(ResidualBlock(a, b, 2) for a, b in pairwise(widths))
        self.up = nn.ModuleList(ResidualBlock(b + a, a) for a, b in reversed(list(pairwise(widths))))
        self.out = nn.Conv2d(widths[0], len(PARTS) + 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        skips = []
        for block in self.down:
            skips.append(x)
            x = block(x)
        for block, skip in zip(self.up, reversed(skips), strict=True):
            x = block(torch.cat([nn.functional.interpolate(x, scale_factor=2.0, mode="nearest"), skip], dim=1))
        logits: Tensor = self.out(x)
        return logits


@lru_cache
def _parts_by_phrase() -> dict[str, str]:
    known = {word: part for part, words in _WORDS.items() for word in words}
    known |= {word: name for name in CLASSES for word in (name, *SYNONYMS[name])}
    return known | {person.name.lower(): "person" for person in people()}


def part_of(phrase: str) -> str | None:
    """The part that a phrase names: a listed person, a class or its synonym, a word for people, the stand-in.

    An article is skipped. None for anything else: an artist's name or a colour is nowhere on a picture.
    """
    phrase = phrase.lower().strip()
    for article in ("", "a ", "an ", "the "):
        if phrase.startswith(article) and (part := _parts_by_phrase().get(phrase.removeprefix(article))):
            return part
    return None


class MiniatureSegmenter:
    """Finds what a phrase names: one box and one mask for each connected patch, best first."""

    def __init__(self, folder: Path, device: torch.device, batch_size: int = 64) -> None:
        """Reads `folder`/segmenter.safetensors; UserError as `load_network`."""
        self.path = folder / FILE
        self.device = device
        self.batch_size = batch_size
        self.network = load_network(SegmenterNetwork(), self.path, PARTS, device)

    @property
    def digest(self) -> str:
        return digest(
            {
                "weights": file_digest(self.path),
                "threshold": THRESHOLD,
                "smallest": SMALLEST,
                "phrases": _parts_by_phrase(),
                "source": source_digest([networks.__name__, __name__]),
            }
        )

    def segment(self, images: Sequence[Image], phrase: str) -> list[Segmentation]:
        """Masks have the size of their image. A phrase that names no part of this world is found nowhere."""
        part = part_of(phrase)
        if part is None:
            return [Segmentation([], np.zeros((0, image.height, image.width), dtype=bool)) for image in images]
        pixels = [np.asarray(image.convert("RGB")) for image in images]
        found = self._probabilities(pixels, PARTS.index(part))
        return [_patches(cv2.resize(p, image.size)) for p, image in zip(found, images, strict=True)]

    @torch.no_grad()
    def _probabilities(self, pixels: list[np.ndarray], part: int) -> list[np.ndarray]:
        maps: list[np.ndarray] = []
        for start in range(0, len(pixels), self.batch_size):
            logits = self.network(as_batch(pixels[start : start + self.batch_size], self.device))
            maps += list(logits.softmax(1)[:, part].float().cpu().numpy())
        return maps


def _patches(probability: np.ndarray) -> Segmentation:
    height, width = probability.shape
    least = SMALLEST * height * width / SIZE**2
    count, patches = cv2.connectedComponents((probability > THRESHOLD).astype(np.uint8))
    finds: list[tuple[Box, np.ndarray]] = []
    for at in range(1, count):
        mask = patches == at
        if mask.sum() < least:
            continue
        ys, xs = np.nonzero(mask)
        score = float(probability[mask].mean())
        finds.append((Box(float(xs.min()), float(ys.min()), float(xs.max() + 1), float(ys.max() + 1), score), mask))
    finds.sort(key=lambda find: -find[0].score)
    masks = np.stack([mask for _, mask in finds]) if finds else np.zeros((0, height, width), dtype=bool)
    return Segmentation([box for box, _ in finds], masks)
