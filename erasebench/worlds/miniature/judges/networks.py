"""The convolutional networks of the miniature's judges: what they look like, how they are saved, what they are fed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from erasebench.api.judge import Pixels
from erasebench.errors import UserError
from erasebench.files.atomic import atomic_write

SIZE = 64
"""Every network here reads 64 x 64 pictures; others are resized on the way in."""

Network = TypeVar("Network", bound=nn.Module)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with group normalisation around a shortcut; `stride` 2 halves the side."""

    def __init__(self, wide_in: int, wide_out: int, stride: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(wide_in, wide_out, 3, stride, 1)
        self.first_norm = nn.GroupNorm(8, wide_out)
        self.second = nn.Conv2d(wide_out, wide_out, 3, 1, 1)
        self.second_norm = nn.GroupNorm(8, wide_out)
        self.shortcut = nn.Conv2d(wide_in, wide_out, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.second_norm(self.second(torch.relu(self.first_norm(self.first(x)))))
        return torch.relu(self.shortcut(x) + y)


class Trunk(nn.Module):
    """Pictures [n, 3, 64, 64] to features [n, width], averaged over the last 4 x 4 map."""

    width = 192

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            nn.Conv2d(3, 32, 3, 2, 1),
            ResidualBlock(32, 32),
            ResidualBlock(32, 64, 2),
            ResidualBlock(64, 128, 2),
            ResidualBlock(128, self.width, 2),
        )

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.blocks(x).mean((2, 3))
        return features


def as_batch(images: Sequence[Pixels], device: torch.device) -> Tensor:
    """uint8 pictures of any size to float32 [n, 3, 64, 64] in [-1, 1]; area averaging where they shrink."""
    fitted = [
        image if image.shape[:2] == (SIZE, SIZE) else cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
        for image in images
    ]
    return normalised(torch.from_numpy(np.stack(fitted)).to(device))


def normalised(images: Tensor) -> Tensor:
    """uint8 [n, h, w, 3] to float32 [n, 3, h, w] in [-1, 1]."""
    return images.permute(0, 3, 1, 2).float() / 127.5 - 1


def channels_last(network: Network) -> Network:
    """The same network, its weights laid out for the faster convolutions."""
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def labels_digest(labels: Sequence[str]) -> str:
    """What ties a head to the list of names that its outputs stand for."""
    return hashlib.sha256("\n".join(labels).encode()).hexdigest()


def save_network(network: nn.Module, path: Path, labels: Sequence[str]) -> None:
    """Write the weights as float16 safetensors, with the digest of the labels that the heads stand for."""
    state = {name: value.detach().cpu().half().contiguous() for name, value in network.state_dict().items()}
    with atomic_write(path) as temporary:
        save_file(state, temporary, metadata={"labels": labels_digest(labels)})
        temporary.chmod(0o644)  # safetensors writes for the owner alone, but package data is for everybody


def load_network(network: Network, path: Path, labels: Sequence[str], device: torch.device) -> Network:
    """`network` with the weights of `path`, in float32, ready to judge.

    UserError where the file is missing, is no safetensors file, is of another shape, belongs to another list of
    labels, or holds a value that is not finite.
    """
    hint = "restore it from the package, or train it: python -m erasebench.worlds.miniature.lab.train"
    try:
        with safe_open(path, framework="pt") as stored:
            found = (stored.metadata() or {}).get("labels")
            state = {name: stored.get_tensor(name).float() for name in stored.keys()}  # noqa: SIM118 - not a dict
    except (OSError, SafetensorError) as error:
        raise UserError(f"the judge's weights {path} cannot be read: {error}", hint) from error
    if found != labels_digest(labels):
        raise UserError(f"{path} was trained for other concept lists than this world's.", hint)
    broken = [name for name, value in state.items() if not torch.isfinite(value).all()]
    if broken:
        raise UserError(f"{path} contains values that are not finite, first in {broken[0]}", hint)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise UserError(f"{path} does not fit its network: {str(error).splitlines()[-1].strip()}", hint) from error
    return network.to(device).eval()
