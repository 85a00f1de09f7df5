"""The share of a job that is the harness's own: all seconds but those of networks and of the method."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from diffusers import AutoencoderKL, UNet2DConditionModel
from pytest_benchmark.fixture import BenchmarkFixture
from transformers import CLIPTextModel

import erasebench
from erasebench.api.judge import Judge
from erasebench.methods.uce import Uce
from erasebench.worlds.miniature.judges.features import MiniatureFeatures
from tests.benchmarks.measure import put

RUNS = 2


class Stopwatch:
    """Seconds inside any of the watched calls; a call inside another one is not counted twice."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inside = False

    def watched(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **words: Any) -> Any:
            if self._inside:
                return call(*arguments, **words)
            start, self._inside = time.perf_counter(), True
            try:
                return call(*arguments, **words)
            finally:
                self._inside = False
                self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

        return timed


@contextmanager
def networks_watched(patch: pytest.MonkeyPatch) -> Iterator[Stopwatch]:
    """U-Net, autoencoder, text encoder, judges' scores, features of FID, and the method's own erase."""
    watch = Stopwatch()
    calls = [
        (UNet2DConditionModel, "forward", "U-Net"),
        (AutoencoderKL, "decode", "autoencoder"),
        (CLIPTextModel, "forward", "text encoder"),
        (Uce, "erase", "method"),
        (MiniatureFeatures, "features", "judges"),
        *((kind, "score", "judges") for kind in all_judges(Judge) if "score" in vars(kind)),
    ]
    with patch.context() as own:
        for kind, method, name in calls:
            own.setattr(kind, method, watch.watched(name, getattr(kind, method)))
        yield watch


def all_judges(kind: type[Judge]) -> Iterator[type[Judge]]:
    for child in kind.__subclasses__():
        yield child
        yield from all_judges(child)


@pytest.mark.slow
def test_a_job_is_its_networks_work(
    benchmark: BenchmarkFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def job(folder: Path, **words: Any) -> None:
        erasebench.run("uce", "celebrity", baselines="none", out=folder, runs_folder=folder / "runs", **words)

    def series() -> tuple[list[float], dict[str, float]]:
        shares = []
        for run in range(RUNS):
            with networks_watched(monkeypatch) as watch:
                start = time.perf_counter()
                job(tmp_path / f"{run}")
                wall = time.perf_counter() - start
            shares.append(100 * (1 - sum(watch.seconds.values()) / wall))
        return shares, {**watch.seconds, "job": wall}

    job(tmp_path / "first", limit=1)  # first call: modules are imported, the references' features are computed
    shares, seconds = benchmark.pedantic(series, rounds=1)
    put(benchmark, "overhead", shares, seconds=seconds)
    assert set(seconds) == {"U-Net", "autoencoder", "text encoder", "method", "judges", "job"}
    assert all(0 < share < 100 for share in shares)
