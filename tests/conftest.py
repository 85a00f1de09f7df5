"""Fixtures that the whole test suite shares."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny_model import write_tiny_model


@pytest.fixture(scope="session")
def tiny_model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random-weight Stable Diffusion folder (16x16 images); treat it as read-only."""
    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny")
