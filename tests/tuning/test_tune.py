"""A tuning of a closed form at one name: trials in order, one chosen, the second time nothing to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from erasebench.errors import UserError
from erasebench.runner.job import plan
from erasebench.tuning.tune import requests_of, tune


@pytest.mark.slow
def test_tries_each_and_chooses_the_best(tmp_path: Path) -> None:
    trials = [{"ridge": 1e6}, {"ridge": 0.5}]
    outcomes = tune("uce", "person", trials, scale=1, device="cpu", runs_folder=tmp_path / "runs")
    assert [outcome.trial for outcome in outcomes] == [1, 2]
    assert [outcome.chosen for outcome in outcomes] == ["no", "yes"]
    assert outcomes[0].score < 0.1  # so large a ridge changes nothing, and the name is painted as before
    assert tune("uce", "person", trials, scale=1, device="cpu", runs_folder=tmp_path / "runs") == outcomes


def test_a_setting_that_the_method_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="uce has no setting 'rigde'"):
        tune("uce", "person", [{"rigde": 1.0}], scale=1, device="cpu", runs_folder=tmp_path / "runs")


def test_names_are_tried_on_two_sets_and_all_else_on_one(tmp_path: Path) -> None:
    (first, second), (again, _) = requests_of(
        "uce", "person", [{"ridge": 1.0}, {}], scale=10, device="cpu", runs_folder=tmp_path / "runs"
    )
    assert first.scale == again.scale == 10 and first.concepts is None
    assert second.scale is None and second.concepts is not None and len(set(second.concepts)) == 10
    assert first.settings == second.settings == {"uce.ridge": "1.0"} and again.settings == {}
    chosen = [plan(request)[0].selection for request in (first, second)]
    assert not set(chosen[0].erased) & set(chosen[1].erased) and chosen[0].seen == chosen[1].seen
    for kind in ("object", "explicit"):
        assert [
            len(runs) for runs in requests_of("uce", kind, [{}], scale=None, device="cpu", runs_folder=tmp_path)
        ] == [1]  # type: ignore[arg-type]
