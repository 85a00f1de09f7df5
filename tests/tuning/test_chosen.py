"""A recipe of the miniature is the chosen row of the table."""

from __future__ import annotations

import pytest

from erasebench.results import recipes as chosen
from erasebench.results.recipes import chosen_settings
from erasebench.results.trials import Trial


def row(settings: str, **changes: object) -> Trial:
    about = {"method": "ours", "kind": "style", "scale": 10, "trial": 1, "score": 0.5, "chosen": "yes"}
    return Trial.model_validate(about | {"settings": settings} | changes)


def test_the_chosen_row_of_the_method_and_kind_is_read_as_values(monkeypatch: pytest.MonkeyPatch) -> None:
    table = [
        row("learning_rate=0.5", trial=2, chosen="no"),
        row("learning_rate=1e-05 steps=60 weights=attn2 use_pooler=False ridge=5000.0"),
        row("recipe", kind="object"),
        row("steps=1", method="theirs"),
        row("steps=7", kind="person"),
    ]
    monkeypatch.setattr(chosen, "shipped_trials", lambda: tuple(table))
    read = chosen_settings("ours", "style")
    assert read == {"learning_rate": 1e-5, "steps": 60, "weights": "attn2", "use_pooler": False, "ridge": 5000.0}
    assert [type(value) for value in read.values()] == [float, int, str, bool, float]
    assert chosen_settings("ours", "object") == {}
    assert chosen_settings("theirs", "person") == {}
    assert chosen_settings("ours", "explicit") == {"steps": 7}
