"""A TorchScript network with the one attribute of the published Inception file that clean-fid uses."""

from __future__ import annotations

from pathlib import Path

import torch

from erasebench.files.atomic import atomic_write
from erasebench.testing.standins.mark import mark_archive

FEATURES = 2048


class Layers(torch.nn.Module):
    """float [n, 3, 299, 299] in [-1, 1] to [n, 2048]: the image at 8 x 8 pixels, mixed at random."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = torch.nn.Linear(3 * 8 * 8, FEATURES, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See the class."""
        features: torch.Tensor = self.mix(torch.nn.functional.adaptive_avg_pool2d(x, (8, 8)).flatten(1))
        return features


class Network(torch.nn.Module):
    """What the file holds."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = Layers()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See Layers."""
        features: torch.Tensor = self.layers(x)
        return features


def write_inception(path: Path) -> Path:
    """`path`: --judge-set trust_torchscript=true reads it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(6)
        network = Network()
    with atomic_write(path) as temporary:
        torch.jit.script(network).save(str(temporary))
        mark_archive(temporary)
    return path
