"""Fixtures that the whole test suite shares."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tiny_model import write_tiny_model


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
    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny")
