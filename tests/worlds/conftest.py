"""Fixtures of the worlds' tests."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from erasebench.worlds.miniature.lab.train import attributes, clip, detector, recogniser, segmenter


@pytest.fixture(scope="session")
def judges_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The miniature's judges after one training step each: the real files of untaught judges; read-only."""
    folder = tmp_path_factory.mktemp("judges")
    for stage in (recogniser, attributes, clip, segmenter, detector):
        stage.train(folder, torch.device("cpu"), steps=1, pictures=24)
    for checkpoint in folder.glob("*.ckpt"):
        checkpoint.unlink()
    return folder
