"""The three small networks of MTCNN, read from the arrays that its TensorFlow port keeps.

Zhang et al., 'Joint Face Detection and Alignment using Multi-task Cascaded Convolutional Networks' (2016), figure 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from erasebench.errors import UserError
from erasebench.judges.gcd.restricted_pickle import read_layers

Layers = Mapping[str, Mapping[str, np.ndarray]]


class Answer(NamedTuple):
    """Probability of a face [n] and the box's correction [n, 4] in shares of its sides (x0, y0, x1, y1).

    The first network answers at every place: [n, h, w] and [n, 4, h, w].
    """

    face: Tensor
    correction: Tensor


class ProposalNetwork(nn.Module):
    """Pictures [n, 3, h, w] of any size to an answer for every window of 12 pixels, two pixels apart."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            *(nn.Conv2d(3, 10, 3), nn.PReLU(10), nn.MaxPool2d(2, 2, ceil_mode=True)),
            *(nn.Conv2d(10, 16, 3), nn.PReLU(16), nn.Conv2d(16, 32, 3), nn.PReLU(32)),
        )
        self.face = nn.Conv2d(32, 2, 1)
        self.correction = nn.Conv2d(32, 4, 1)

    def forward(self, x: Tensor) -> Answer:
        x = self.trunk(x)
        return Answer(self.face(x).softmax(1)[:, 1], self.correction(x))


class RefineNetwork(nn.Module):
    """Crops [n, 3, 24, 24] to one answer each."""

    side = 24

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            *(nn.Conv2d(3, 28, 3), nn.PReLU(28), nn.MaxPool2d(3, 2, ceil_mode=True)),
            *(nn.Conv2d(28, 48, 3), nn.PReLU(48), nn.MaxPool2d(3, 2), nn.Conv2d(48, 64, 2), nn.PReLU(64)),
        )
        self.dense = nn.Sequential(nn.Linear(576, 128), nn.PReLU(128))
        self.face = nn.Linear(128, 2)
        self.correction = nn.Linear(128, 4)

    def forward(self, x: Tensor) -> Answer:
        return _dense_answer(self, x)


class OutputNetwork(nn.Module):
    """Crops [n, 3, 48, 48] to one answer each; its five landmarks decide nothing here and are left out."""

    side = 48

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            *(nn.Conv2d(3, 32, 3), nn.PReLU(32), nn.MaxPool2d(3, 2, ceil_mode=True)),
            *(nn.Conv2d(32, 64, 3), nn.PReLU(64), nn.MaxPool2d(3, 2)),
            *(nn.Conv2d(64, 64, 3), nn.PReLU(64), nn.MaxPool2d(2, 2, ceil_mode=True)),
            *(nn.Conv2d(64, 128, 2), nn.PReLU(128)),
        )
        self.dense = nn.Sequential(nn.Linear(1152, 256), nn.PReLU(256))
        self.face = nn.Linear(256, 2)
        self.correction = nn.Linear(256, 4)

    def forward(self, x: Tensor) -> Answer:
        return _dense_answer(self, x)


def _dense_answer(network: RefineNetwork | OutputNetwork, x: Tensor) -> Answer:
    # The stored weights count a map's places column by column, with the channels innermost.
    x = network.dense(network.trunk(x).permute(0, 3, 2, 1).flatten(1))
    return Answer(network.face(x).softmax(1)[:, 1], network.correction(x))


_PROPOSAL = {
    **{"trunk.0": "conv1", "trunk.1": "PReLU1", "trunk.3": "conv2", "trunk.4": "PReLU2"},
    **{"trunk.5": "conv3", "trunk.6": "PReLU3", "face": "conv4-1", "correction": "conv4-2"},
}
_REFINE = {
    **{"trunk.0": "conv1", "trunk.1": "prelu1", "trunk.3": "conv2", "trunk.4": "prelu2"},
    **{"trunk.6": "conv3", "trunk.7": "prelu3", "dense.0": "conv4", "dense.1": "prelu4"},
    **{"face": "conv5-1", "correction": "conv5-2"},
}
_OUTPUT = {
    **{"trunk.0": "conv1", "trunk.1": "prelu1", "trunk.3": "conv2", "trunk.4": "prelu2"},
    **{"trunk.6": "conv3", "trunk.7": "prelu3", "trunk.9": "conv4", "trunk.10": "prelu4"},
    **{"dense.0": "conv5", "dense.1": "prelu5", "face": "conv6-1", "correction": "conv6-2"},
}


class Cascade(NamedTuple):
    """The three networks in the order in which they are asked."""

    proposal: ProposalNetwork
    refine: RefineNetwork
    output: OutputNetwork


def load_cascade(folder: Path, device: torch.device) -> Cascade:
    """The networks from `folder`/det1.npy to det3.npy. UserError for a file that is missing or does not fit."""
    networks = Cascade(ProposalNetwork(), RefineNetwork(), OutputNetwork())
    for number, (network, names) in enumerate(zip(networks, (_PROPOSAL, _REFINE, _OUTPUT), strict=True), start=1):
        _fill(network, names, folder / f"det{number}.npy")
        network.to(device).eval()
    return networks


def _fill(network: nn.Module, names: Mapping[str, str], path: Path) -> None:
    layers = read_layers(path)
    state: dict[str, Tensor] = {}
    try:
        for ours, theirs in names.items():
            for part, value in layers[theirs].items():
                name = {"weights": "weight", "biases": "bias", "alpha": "weight"}[part]
                # Stored as [x, y, in, out] or [in, out]; torch wants [out, in, y, x] and [out, in].
                state[f"{ours}.{name}"] = torch.from_numpy(np.array(value.T, dtype=np.float32, order="C"))
        network.load_state_dict(state)
    except (KeyError, RuntimeError) as error:
        reason = str(error).splitlines()[-1].strip().strip("'")
        raise UserError(f"{path} does not fit its network: {reason}.", "Get the resources folder again.") from error
