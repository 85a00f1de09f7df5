"""Fixtures that the whole test suite shares."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tiny_model import write_tiny_model


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Digests remembered in a folder of the tests' own, in subprocesses too."""
    before = os.environ.get("ERASEBENCH_CACHE")
    os.environ["ERASEBENCH_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["ERASEBENCH_CACHE"]
    else:
        os.environ["ERASEBENCH_CACHE"] = before


@pytest.fixture(scope="session")
def tiny_model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random-weight Stable Diffusion folder (16x16 images); treat it as read-only."""
    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny")
