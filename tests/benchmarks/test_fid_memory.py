"""Memory of the judge of FID at 3,000 and 30,000 images, judged in chunks as a run judges them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from erasebench.api.judge import Pixels
from erasebench.cost import Cost
from erasebench.judges.distances import frechet_interval
from erasebench.judges.fid import FEATURES, FidJudge, feature_matrix
from erasebench.judges.references import PairedReferences, ReferenceImage
from erasebench.runner.stages import ROWS_PER_CHUNK
from erasebench.store.judgements import JudgementStore
from tests.benchmarks.measure import peak_of, put

FEW, MANY = 3_000, 30_000


class StandIn:
    """Features as wide as Inception's from a fixed random product of the pixels: Inception itself takes an hour."""

    family = ""

    def __init__(self) -> None:
        self.matrix = np.random.default_rng(0).standard_normal((192, FEATURES), dtype=np.float32)

    def identity(self) -> dict[str, Any]:
        return {"extractor": "stand-in"}

    def features(self, images: Sequence[Pixels]) -> np.ndarray:
        cells = np.stack(images).reshape(len(images), 8, 8, 8, 8, 3).mean(axis=(2, 4), dtype=np.float32)
        return np.maximum(cells.reshape(len(images), -1) @ self.matrix, 0)


def judged(images: int, folder: str) -> None:
    """Judge the images chunk by chunk into the store in `folder`."""
    picture = np.zeros((64, 64, 3), np.uint8)
    paired = {(f"prompt {at}", 1): ReferenceImage(f"{at}", lambda: picture) for at in range(images)}
    judge, store = FidJudge(StandIn(), PairedReferences(paired, {})), JudgementStore(Path(folder))
    rng = np.random.default_rng(1)
    for first in range(0, images, ROWS_PER_CHUNK):
        chunk = range(first, min(first + ROWS_PER_CHUNK, images))
        rows = pd.DataFrame({"prompt": [f"prompt {at}" for at in chunk], "seed": 1})
        pictures = list(rng.integers(0, 255, (len(chunk), 64, 64, 3), dtype=np.uint8))
        store.add([f"{at:020d}" for at in chunk], judge.judge(pictures, rows), Cost(1.0))


def distance(images: int, folder: str) -> float:
    """Read the rows back and compute their Frechet distance, without its interval."""
    rows, _ = JudgementStore(Path(folder)).of([f"{at:020d}" for at in range(images)], range(images))
    features = feature_matrix(rows)
    return frechet_interval(features, features[: images // 2], np.zeros(images)).value


@pytest.mark.slow
def test_judging_for_fid_takes_the_same_memory_for_any_number_of_images(benchmark: BenchmarkFixture) -> None:
    def series() -> tuple[float, float]:
        growths: list[list[float]] = []
        for images in (FEW, MANY):
            with tempfile.TemporaryDirectory() as folder:
                growths.append([peak_of(each, images, folder)[0] for each in (judged, distance)])
        (few, few_read), (many, many_read) = growths
        return many - few, many_read - few_read

    judging, reading = benchmark.pedantic(series, rounds=1)
    gigabytes = (MANY - FEW) * FEATURES * 4 / 1e9
    put(benchmark, "fid-memory", [judging])
    put(benchmark, "fid-distance-memory", [reading], gigabytes=gigabytes)
    assert judging < 0.1
