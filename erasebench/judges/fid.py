"""Features of images and their distance from a reference set: FID and KID, or a world's own FID-mini and KD-mini."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
import torch
from cleanfid.downloads_helper import check_download_inception
from cleanfid.inception_torchscript import InceptionV3W
from cleanfid.resize import build_resizer

from erasebench.api import judge as base
from erasebench.api.judge import SCORED, Judge, Pixels
from erasebench.errors import UserError
from erasebench.files.atomic import atomic_write
from erasebench.files.source import source_digest
from erasebench.files.weights import cache_folder
from erasebench.identity import digest, file_digest
from erasebench.judges import distances, references
from erasebench.judges.references import FeatureCache, References
from erasebench.judges.sources import INCEPTION_FILE, INCEPTION_SHA256, INCEPTION_URL, as_published

NO_REFERENCE = "no-reference"
FEATURES = 2048


class Extractor(Protocol):
    """Turns images into features. `family` names the metrics: "" for FID/KID, "mini" for a world's own network."""

    @property
    def family(self) -> str: ...

    def identity(self) -> dict[str, Any]: ...

    def features(self, images: Sequence[Pixels]) -> np.ndarray:
        """float32 [n, d]; no images, no rows."""


class _Inception(InceptionV3W):
    """clean-fid's network out of a file of any name; clean-fid itself reads the published name alone."""

    def __init__(self, weights: Path) -> None:
        torch.nn.Module.__init__(self)
        self.base = torch.jit.load(str(weights)).eval()
        self.layers = self.base.layers
        self.resize_inside = False


class InceptionExtractor:
    """clean-fid's Inception features (2048 wide) behind clean-fid's own antialiased bicubic resize to 299 x 299."""

    family = ""

    def __init__(self, weights: Path, device: torch.device, batch_size: int = 32) -> None:
        """UserError where `weights` is not a readable TorchScript file."""
        if not weights.is_file():
            raise UserError(
                f"no Inception weights at {weights}",
                f"give the file {INCEPTION_FILE} (download: {INCEPTION_URL})",
            )
        try:
            network = _Inception(weights)
        except (RuntimeError, AttributeError) as error:
            raise UserError(
                f"{weights} is not a TorchScript network: {str(error).splitlines()[0]}",
                f"download it again: {INCEPTION_URL}",
            ) from error
        self.weights = weights
        self.device = device
        self.batch_size = batch_size
        self.network = network.to(device).eval()
        self.resize = build_resizer("clean")

    @classmethod
    def fetched(cls, folder: Path, device: torch.device) -> InceptionExtractor:
        """With the weights in `folder`, downloaded there first where absent; UserError where that fails."""
        target = folder / INCEPTION_FILE
        if not target.exists():
            folder.mkdir(parents=True, exist_ok=True)
            try:
                with tempfile.TemporaryDirectory(dir=folder) as partial:
                    check_download_inception(fpath=partial)
                    as_published(Path(partial) / INCEPTION_FILE, INCEPTION_SHA256, f"curl -L {INCEPTION_URL}")
                    with atomic_write(target) as temporary:
                        os.replace(Path(partial) / INCEPTION_FILE, temporary)
            except OSError as error:
                raise UserError(
                    f"the Inception weights for FID could not be downloaded: {error}",
                    f"download {INCEPTION_URL} elsewhere and put it at {target}",
                ) from error
        return cls(target, device)

    def identity(self) -> dict[str, Any]:
        return {"extractor": "clean-fid inception", "resize": "clean", "weights": file_digest(self.weights)}

    @torch.no_grad()
    def features(self, images: Sequence[Pixels]) -> np.ndarray:
        parts = [np.zeros((0, FEATURES), dtype=np.float32)]
        for start in range(0, len(images), self.batch_size):
            resized = np.stack([self.resize(image) for image in images[start : start + self.batch_size]])
            batch = torch.from_numpy(resized).permute(0, 3, 1, 2).to(self.device)
            parts.append(self.network(batch).float().cpu().numpy())
        return np.concatenate(parts).astype(np.float32)


class FidReference(NamedTuple):
    """Features [m, d] of what some rows are compared with, and how many of these rows have nothing to compare with."""

    features: np.ndarray
    lacking: int


class FidJudge(Judge):
    """Stores each image's features; the distance from the reference is a metric over all of them.

    Column: `features`, a float32 vector per image. A row without a reference image has the outcome "no-reference":
    the two sides of the comparison are always the same prompts.
    """

    name = "fid"
    columns = ("features",)

    def __init__(self, extractor: Extractor, references: References, cache: FeatureCache | None = None) -> None:
        """`cache` keeps the features of reference images; None: the user's cache folder."""
        self.extractor = extractor
        self.references = references
        self.cache = cache or FeatureCache(cache_folder() / "features")

    def identity(self) -> dict[str, Any]:
        return {
            "judge": self.name,
            "extractor": self.extractor.identity(),
            "source": source_digest([base.__name__, __name__]),
        }

    def reference_identity(self) -> dict[str, Any]:
        """What decides the reference images, whichever rows are asked for: it decides the distance, not the rows."""
        return {**self.references.identity(), "source": source_digest([distances.__name__, references.__name__])}

    def reference_for(self, rows: pd.DataFrame) -> FidReference:
        """What the images of these prompt-table rows (prompt, seed) are compared with."""
        images = self.references.images(rows)
        features = self.cache.features(images, digest(self.identity()["extractor"]), self.extractor.features)
        return FidReference(features, self.references.has(rows).count(False))

    def score(self, images: Sequence[Pixels], rows: pd.DataFrame) -> pd.DataFrame:
        paired = self.references.has(rows)
        found = iter(self.extractor.features([image for image, has in zip(images, paired, strict=True) if has]))
        features = [next(found) if has else None for has in paired]
        outcome = [SCORED if has else NO_REFERENCE for has in paired]
        return pd.DataFrame({"outcome": outcome, "features": pd.Series(features, dtype="object")})


def feature_matrix(judgement: pd.DataFrame) -> np.ndarray:
    """The features of the scored rows, float32 [n, d]; [0, 0] where none was scored."""
    scored = judgement.loc[judgement["outcome"] == SCORED, "features"]
    return np.stack(list(scored)).astype(np.float32) if len(scored) else np.zeros((0, 0), dtype=np.float32)
