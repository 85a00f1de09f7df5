"""A tuning of a closed form at one name: trials in order, one chosen, the second time nothing to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from erasebench.errors import UserError
from erasebench.tuning.tune import tune


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
