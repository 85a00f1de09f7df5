"""erasebench.run takes Python values where the command line takes words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import erasebench
from erasebench.methods.checkpoint import CheckpointConfig
from erasebench.methods.mace import MaceConfig
from erasebench.runner.request import Request, choose


def asked(monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], method: str = "mace") -> Request:
    """The request that `erasebench.run` makes of these settings."""
    requests: list[Request] = []
    monkeypatch.setattr("erasebench.runner.run.run_jobs", requests.append)
    erasebench.run(method=method, suite="celebrity", settings=settings)
    return requests[0]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("data_steps", None),
        ("steps", 20),
        ("learning_rate", 1e-5),
        ("use_pooler", False),
        ("fusion", "naive-sum"),
        ("templates", ("a hat of {}", "{}: a play")),
    ],
)
def test_a_setting_arrives_as_it_was_given(monkeypatch: pytest.MonkeyPatch, field: str, value: Any) -> None:
    request = asked(monkeypatch, {f"mace.{field}": value, "mace.prompts_per_concept": 2})
    config = choose(request, "mace", recipes="miniature", kind="person", n_concepts=1).config
    assert isinstance(config, MaceConfig)
    assert getattr(config, field) == value


def test_a_path_arrives_as_a_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "changed weights.safetensors"
    file.touch()
    request = asked(monkeypatch, {"checkpoint.path": file}, method="checkpoint")
    config = choose(request, "checkpoint", recipes="miniature", kind="person", n_concepts=1).config
    assert isinstance(config, CheckpointConfig)
    assert config.path == file
