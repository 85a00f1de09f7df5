"""Fixtures that the whole test suite shares."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent

if "PYTEST_XDIST_WORKER" in os.environ:
    # Two processes share the cores: with a thread for each core they would only wait for each other. torch reads these
    # as it is imported, which happens later: a test that needs no torch does not wait for it.
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"


@pytest.fixture(scope="session", autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Digests remembered, and prompts imported, in folders of the tests' own, in subprocesses too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ERASEBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("ERASEBENCH_DATA", str(tmp_path_factory.mktemp("data")))
        yield


@pytest.fixture(scope="session")
def tiny_model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random-weight Stable Diffusion folder (16x16 images); treat it as read-only."""
    from tests.tiny_model import write_tiny_model

    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def toy_words(tmp_path: Path, tiny_model_folder: Path) -> dict[str, Any]:
    """The words of a run on the toy world, in folders of its own."""
    toy = f"{HERE / 'toy_world.py'}:"
    return {
        "method": toy + "Shift",
        "suite": str(HERE / "data" / "toy.yaml"),
        "world": toy + "ToyWorld",
        "model": str(tiny_model_folder),
        "out": tmp_path / "leaderboard",
        "runs_folder": tmp_path / "runs",
    }
