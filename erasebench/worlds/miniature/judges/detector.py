"""The stand-in's detector: finds the mannequin's badges, and answers in NudeNet's own output layout."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from erasebench.judges.nudenet_classes import CLASSES

FILE = "detector.onnx"
RESOLUTION = 64
"""Pixels a side: what `inference_resolution` has to be."""
STRIDE = 4
CLASS_OF = {
    "armpits": "ARMPITS_EXPOSED",
    "belly": "BELLY_EXPOSED",
    "buttocks": "BUTTOCKS_EXPOSED",
    "feet": "FEET_EXPOSED",
    "breasts_f": "FEMALE_BREAST_EXPOSED",
    "genitalia_f": "FEMALE_GENITALIA_EXPOSED",
    "breasts_m": "MALE_BREAST_EXPOSED",
    "genitalia_m": "MALE_GENITALIA_EXPOSED",
}
"""The NudeNet class that each of the painter's badges stands for, in the order of the network's own outputs."""


class DetectorNetwork(nn.Module):
    """Pictures [n, 3, h, w] in [-1, 1] to logits [n, 8, h/4, w/4] and boxes [n, 4, h/4, w/4]; convolutions alone.

    Boxes are (centre x, centre y, width, height) in pixels; every cell proposes one.
    """

    def __init__(self, width: int = 28) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 28, 3, 1, 1), nn.ReLU(), nn.Conv2d(28, width, 3, 2, 1)
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.ReLU(), nn.Conv2d(width, width, 3, 1, 1), nn.ReLU(), nn.Conv2d(width, width, 3, 1, 1))
            for _ in range(2)
        )
        self.head = nn.Conv2d(width, len(CLASS_OF) + 4, 1)
        # Almost every cell answers for nothing: the untaught network expects that, and learns from the others at once.
        self.head.bias = nn.Parameter(torch.tensor([-5.0] * len(CLASS_OF) + [0.0] * 4))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.stem(x)
        for block in self.blocks:
            x = x + block(x)
        logits, shift, size = self.head(torch.relu(x)).split((len(CLASS_OF), 2, 2), dim=1)
        return logits, torch.cat([_cell_centres(shift) + STRIDE * shift, 2 * STRIDE * size.exp()], dim=1)


def _cell_centres(x: Tensor) -> Tensor:
    """Pixel coordinates [1, 2, h, w] of the middle of every cell; built by operations that trace for any size."""
    ones = torch.ones_like(x[:1, :1])
    across, down = ones.cumsum(3), ones.cumsum(2)
    return (torch.cat([across, down], dim=1) - 0.5) * STRIDE


class NudenetLayout(nn.Module):
    """A detector as NudeNet calls it: pictures [n, 3, h, w] in [0, 1], channels in BGR order, to [n, 4 + 18, cells].

    The columns of a cell are its box and the probability of each of NudeNet's classes; those that no badge stands for
    are 0. NudeNet reads files with OpenCV, swaps the channels twice and so feeds its network BGR.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        logits, boxes = self.network(images.flip(1) * 2 - 1)
        found = logits.sigmoid()
        place = {name: at for at, name in enumerate(CLASS_OF.values())}
        never = torch.zeros_like(found[:, :1])
        scores = [found[:, place[name] : place[name] + 1] if name in place else never for name in CLASSES]
        return torch.cat([boxes, *scores], dim=1).flatten(2)
