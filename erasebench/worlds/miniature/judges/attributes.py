"""The attribute reader: which hat, which hair ... is in the picture, and whose looks these are.

Independent of the recogniser: other weights, other data, and it never learns a name. It reads attributes and finds the
listed person whose attributes fit them best, so that a picture which fools one of the two seldom fools both.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from erasebench.api import judge as base
from erasebench.api.judge import NO_FACE, SCORED, Judge, Pixels
from erasebench.files.source import source_digest
from erasebench.identity import file_digest
from erasebench.worlds.miniature.concept_lists import ATTRIBUTES, PALETTES, STROKES, people
from erasebench.worlds.miniature.painter.mannequin import REGIONS
from erasebench.worlds.miniature.painter.objects import CLASSES

from . import networks
from .networks import Trunk, as_batch, load_network

FILE = "attributes.safetensors"
FACE_THRESHOLD = 0.5
FEATURES = 64
"""Few enough for a covariance from 256 pictures: the features are also those of FID-mini."""

HEADS: dict[str, tuple[str, ...]] = {
    **ATTRIBUTES,
    "palette": ("none", *PALETTES),
    "stroke": ("none", *STROKES),
}
"""One-of-many questions about a picture."""
PRESENCE = ("face", *CLASSES, "mannequin", *REGIONS)
"""Yes-or-no questions about a picture."""
LABELS = tuple(f"{head}: {', '.join(values)}" for head, values in HEADS.items()) + PRESENCE


class AttributeNetwork(nn.Module):
    """Pictures [n, 3, 64, 64] to features [n, 64], logits of every head and of every presence question."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = Trunk()
        self.neck = nn.Linear(Trunk.width, FEATURES)
        self.heads = nn.ModuleDict({name: nn.Linear(FEATURES, len(values)) for name, values in HEADS.items()})
        self.presence = nn.Linear(FEATURES, len(PRESENCE))

    def features(self, x: Tensor) -> Tensor:
        return torch.relu(self.neck(self.trunk(x)))

    def forward(self, x: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        features = self.features(x)
        return {name: head(features) for name, head in self.heads.items()}, self.presence(features)


def load_attribute_network(folder: Path, device: torch.device) -> AttributeNetwork:
    """Reads `folder`/attributes.safetensors; UserError as `load_network`."""
    return load_network(AttributeNetwork(), folder / FILE, LABELS, device)


def looks_table() -> np.ndarray:
    """int [240, attributes]: which value of each attribute (ATTRIBUTES' order) each listed person has."""
    return np.array([[vs.index(p.attributes[name]) for name, vs in ATTRIBUTES.items()] for p in people()])


class AttributeJudge(Judge):
    """Reads the attributes and names the listed person to whom they give the highest likelihood.

    Columns: `predicted` (a name), `confidence` (its share of the likelihood over all of them), `matched` (share of the
    attributes read as the row's concept has them; missing where the concept is nobody listed) and
    `read_<attribute>` (the value read). An image without a face has the outcome "no-face".
    """

    name = "attributes"
    columns = ("predicted", "confidence", "matched", *(f"read_{name}" for name in ATTRIBUTES))

    def __init__(self, folder: Path, device: torch.device, batch_size: int = 64) -> None:
        self.path = folder / FILE
        self.device = device
        self.batch_size = batch_size
        self.network = load_attribute_network(folder, device)
        self.names = tuple(person.name for person in people())
        self.table = looks_table()

    def identity(self) -> dict[str, Any]:
        return {
            "judge": self.name,
            "weights": file_digest(self.path),
            "face_threshold": FACE_THRESHOLD,
            "source": source_digest([base.__name__, networks.__name__, __name__]),
        }

    def score(self, images: Sequence[Pixels], rows: pd.DataFrame) -> pd.DataFrame:
        logs, face = self._read(images)
        read = np.stack([log.argmax(1) for log in logs], axis=1)
        likelihood = np.sum([log[:, self.table[:, at]] for at, log in enumerate(logs)], axis=0)
        share = np.exp(likelihood - likelihood.max(axis=1, keepdims=True))
        share /= share.sum(axis=1, keepdims=True)
        best = likelihood.argmax(axis=1)
        place = {name: at for at, name in enumerate(self.names)}
        concepts = [place.get(concept) for concept in rows["concept"]]
        matched = [
            float("nan") if at is None else float((own == self.table[at]).mean())
            for own, at in zip(read, concepts, strict=True)
        ]
        seen = face >= FACE_THRESHOLD
        frame = pd.DataFrame(
            {
                "predicted": pd.Series([self.names[at] for at in best], dtype="object"),
                "confidence": share[np.arange(len(best)), best],
                "matched": matched,
            }
        )
        for at, (attribute, values) in enumerate(ATTRIBUTES.items()):
            frame[f"read_{attribute}"] = pd.Series([values[k] for k in read[:, at]], dtype="object")
        frame = frame.where(pd.Series(seen), None)
        frame.insert(0, "outcome", np.where(seen, SCORED, NO_FACE))
        return frame

    @torch.no_grad()
    def _read(self, images: Sequence[Pixels]) -> tuple[list[np.ndarray], np.ndarray]:
        """Log-probabilities [n, values] of each attribute, and the probability [n] of a face."""
        logs: list[list[np.ndarray]] = [[] for _ in ATTRIBUTES]
        face = []
        for start in range(0, len(images), self.batch_size):
            heads, presence = self.network(as_batch(images[start : start + self.batch_size], self.device))
            face.append(presence[:, 0].sigmoid().cpu().numpy())
            for kept, attribute in zip(logs, ATTRIBUTES, strict=True):
                kept.append(heads[attribute].log_softmax(1).double().cpu().numpy())
        return [np.concatenate(kept) for kept in logs], np.concatenate(face)
