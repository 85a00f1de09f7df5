"""erasebench.run takes Python values where the command line takes words."""

from __future__ import annotations

from typing import Any

import pytest

import erasebench
from erasebench.methods.mace import MaceConfig
from erasebench.runner.request import Request, choose


def asked(monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]) -> Request:
    """The request that `erasebench.run` makes of these settings."""
    requests: list[Request] = []
    monkeypatch.setattr("erasebench.runner.run.run_jobs", requests.append)
    erasebench.run(method="mace", suite="celebrity", settings=settings)
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
