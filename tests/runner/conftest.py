"""Fixtures of the tests that run whole jobs on the toy world."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from erasebench.sampling import Sampler
from tests.runner.toy import SUITE, TOY


@pytest.fixture
def words(tmp_path: Path, tiny_model_folder: Path) -> dict[str, Any]:
    """The words of a run that every test starts from."""
    return {
        "method": TOY + "Shift",
        "suite": SUITE,
        "world": TOY + "ToyWorld",
        "model": str(tiny_model_folder),
        "out": tmp_path / "leaderboard",
        "runs_folder": tmp_path / "runs",
    }


@pytest.fixture
def sampled(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images each call of the sampler was asked for."""
    asked: list[int] = []
    images = Sampler.images

    def counted(self: Sampler, shots: Any) -> Any:
        asked.append(len(shots))
        return images(self, shots)

    monkeypatch.setattr(Sampler, "images", counted)
    return asked
