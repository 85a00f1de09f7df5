"""The features of FID-mini and KD-mini: the attribute reader's last layer before its heads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from erasebench.api.judge import Pixels
from erasebench.files.source import source_digest
from erasebench.identity import file_digest

from . import attributes, networks
from .networks import as_batch


class MiniatureFeatures:
    """float32 [n, 64], each of length 8: the kernel distance's cubic kernel expects values around one.

    The network learned people, objects, strokes, palettes and the stand-in, so all of them count.

    Distances in these features say nothing about Inception's: the metrics are FID-mini and KD-mini, never FID.
    """

    family = "mini"

    def __init__(self, folder: Path, device: torch.device, batch_size: int = 64) -> None:
        """Reads `folder`/attributes.safetensors; UserError as `load_network`."""
        self.path = folder / attributes.FILE
        self.device = device
        self.batch_size = batch_size
        self.network = attributes.load_attribute_network(folder, device)

    def identity(self) -> dict[str, Any]:
        return {
            "extractor": "miniature attribute reader",
            "weights": file_digest(self.path),
            "source": source_digest([networks.__name__, attributes.__name__, __name__]),
        }

    @torch.no_grad()
    def features(self, images: Sequence[Pixels]) -> np.ndarray:
        parts = [np.zeros((0, attributes.FEATURES), dtype=np.float32)]
        for start in range(0, len(images), self.batch_size):
            batch = as_batch(images[start : start + self.batch_size], self.device)
            found = torch.nn.functional.normalize(self.network.features(batch).float(), dim=1)
            parts.append((found * attributes.FEATURES**0.5).cpu().numpy())
        return np.concatenate(parts)
