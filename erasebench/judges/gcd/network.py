"""The celebrity detector's recogniser: ResNet-50, a 256-wide embedding, one output for each name."""

from __future__ import annotations

import csv
import re
import unicodedata
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torchvision.models import resnet50

from erasebench.errors import UserError
from erasebench.judges.gcd.restricted_pickle import read_state

EMBEDDING = 256
CROP_SIDE = 224
CENTRES = "center_loss_criterion.centers"
_HINT = "Get the resources folder again from its source."


class FaceNetwork(nn.Module):
    """Crops [n, 3, 224, 224] in [0, 1] to logits [n, names] and embeddings [n, 256]."""

    def __init__(self, names: int) -> None:
        super().__init__()
        backbone = resnet50(weights=None)
        self.stem = nn.Sequential(*list(backbone.children())[:-1])
        self.fc1 = nn.Linear(backbone.fc.in_features, EMBEDDING)
        self.fc2 = nn.Linear(EMBEDDING, names)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        embedding = self.fc1(self.stem(x).flatten(1))
        return self.fc2(embedding), embedding


class Recognition(NamedTuple):
    """The network and the centre [names, 256] of every name's embeddings."""

    network: FaceNetwork
    centres: Tensor


def load_recognition(path: Path, names: int, device: torch.device) -> Recognition:
    """From the checkpoint's 'model_state'. UserError where it is none or belongs to another list of names."""
    state = read_state(path, "model_state")
    network = FaceNetwork(names)
    weights = {name.removeprefix("model."): value for name, value in state.items() if name.startswith("model.")}
    centres = state.get(CENTRES)
    if centres is None or tuple(centres.shape) != (names, EMBEDDING):
        shape = "no" if centres is None else f"{len(centres)}"
        raise UserError(f"{path} contains {shape} class centres, but the labels name {names} people.", _HINT)
    try:
        missing, unexpected = network.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        raise UserError(f"{path} does not fit: {str(error).splitlines()[-1].strip()}.", _HINT) from error
    # torch 0.4.0 did not store the counters, and nothing reads them here.
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if wrong := [*missing, *unexpected]:
        raise UserError(f"{path} does not fit: {wrong[0]} and {len(wrong) - 1} more weights.", _HINT)
    return Recognition(network.to(device).eval(), centres.float().to(device))


def read_labels(path: Path) -> tuple[str, ...]:
    """The labels in the order of the network's outputs: the file's first column, sorted. UserError for no such file."""
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            rows = list(csv.reader(handle))[1:]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} cannot be read: {error}.", _HINT) from error
    labels = sorted(row[0] for row in rows if row)
    if not labels or len(set(labels)) != len(labels):
        raise UserError(
            f"{path} must name each person once, but has {len(labels)} labels, {len(set(labels))} different.", _HINT
        )
    return tuple(labels)


def spoken(label: str) -> str:
    """'Adam_Driver_[m.0hcgs_k]' -> 'Adam Driver'"""
    return re.sub(r"_?\[[^\]]*\]$", "", label).replace("_", " ").strip()


def name_key(name: str) -> str:
    """What two spellings of one name share: letters and digits without accents or case."""
    plain = unicodedata.normalize("NFKD", name)
    return "".join(character for character in plain.casefold() if character.isalnum())
