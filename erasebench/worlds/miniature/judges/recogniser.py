"""The face recogniser of the miniature world: is there a face, and which of the 240 people is it?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from erasebench.api.judge import Pixels
from erasebench.files.source import source_digest
from erasebench.identity import file_digest
from erasebench.judges.recogniser import Recognition
from erasebench.worlds.miniature.concept_lists import people

from . import networks
from .networks import Trunk, as_batch, load_network

FILE = "recogniser.safetensors"
FACE_THRESHOLD = 0.5


def names() -> tuple[str, ...]:
    """The 240 people in the lists' order: output i of the name head is the i-th of them."""
    return tuple(person.name for person in people())


class FaceNetwork(nn.Module):
    """Pictures [n, 3, 64, 64] to a face logit [n] and name logits [n, 240]."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = Trunk()
        self.face = nn.Linear(Trunk.width, 1)
        self.name = nn.Linear(Trunk.width, len(names()))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.trunk(x)
        return self.face(features).squeeze(1), self.name(features)


class MiniatureRecogniser:
    """The trained network behind `erasebench.judges.recogniser.IdentityJudge`."""

    def __init__(self, folder: Path, device: torch.device, batch_size: int = 64) -> None:
        """Reads `folder`/recogniser.safetensors; UserError as `load_network`."""
        self.path = folder / FILE
        self.names = names()
        self.device = device
        self.batch_size = batch_size
        self.network = load_network(FaceNetwork(), self.path, self.names, device)

    def identity(self) -> dict[str, Any]:
        return {
            "weights": file_digest(self.path),
            "face_threshold": FACE_THRESHOLD,
            "source": source_digest([networks.__name__, __name__]),
        }

    @torch.no_grad()
    def recognise(self, images: Sequence[Pixels]) -> list[Recognition]:
        found = []
        for start in range(0, len(images), self.batch_size):
            face, name = self.network(as_batch(images[start : start + self.batch_size], self.device))
            confidence, place = name.softmax(1).max(1)
            for seen, sure, at in zip(face.sigmoid().tolist(), confidence.tolist(), place.tolist(), strict=True):
                found.append(Recognition(self.names[at], sure) if seen >= FACE_THRESHOLD else Recognition(None, 0.0))
        return found
