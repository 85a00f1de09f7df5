"""Fixtures of the tests that run whole jobs on the toy world."""

from __future__ import annotations

from typing import Any

import pytest

from erasebench.diffusion.sampling import Sampler


@pytest.fixture
def words(toy_words: dict[str, Any]) -> dict[str, Any]:
    """The words of a run that every test starts from."""
    return toy_words


@pytest.fixture
def sampled(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images each call of the sampler was asked for, the measurement of its speed apart."""
    monkeypatch.setattr("erasebench.runner.stages.measured_ratio", lambda *_: 1.0)
    asked: list[int] = []
    images = Sampler.images

    def counted(self: Sampler, specs: Any) -> Any:
        asked.append(len(specs))
        return images(self, specs)

    monkeypatch.setattr(Sampler, "images", counted)
    return asked
