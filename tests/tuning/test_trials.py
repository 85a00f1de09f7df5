"""Trials are read, and what is wrong is named; their suites are sound and apart from those that are reported."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from erasebench.api.world import load_world
from erasebench.cli import main
from erasebench.errors import UserError
from erasebench.runner.job import plan
from erasebench.runner.request import Request
from erasebench.suite.suite import load_suite
from erasebench.tuning.score import METRICS
from erasebench.tuning.trials import read_settings, settings_text


def test_reads_settings_by_kind_and_method(tmp_path: Path) -> None:
    file = tmp_path / "trials.yaml"
    file.write_text("person: {uce: [{ridge: 1e-1}, {}]}\nstyle: {np: [{}]}\n")
    trials = read_settings(file)
    assert trials == {("person", "uce"): [{"ridge": 0.1}, {}], ("style", "np"): [{}]}
    assert [settings_text(settings) for settings in trials["person", "uce"]] == ["ridge=0.1", "recipe"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("persons: {uce: [{}]}", "no kind 'persons'"),
        ("person: [uce]", "line 1, person: it is not a mapping"),
        ("person: {uce: {ridge: 1}}", "person.uce: uce is not a list of settings"),
        ("person: {uce: [ridge]}", "person.uce: uce is not a list of settings"),
        ("person: {uce: [", "is not valid YAML"),
        ("person:\n  uce: []", "line 2, person.uce: uce has no trials"),
        ("person:\n", "line 1, person: it is empty"),
        ("", "line 1, the file: it is empty"),
        ("person:\n  uce: [{}]\n  uce: [{}]", "line 3: .* 'uce' is given twice"),
        (
            "person:\n  uce:\n    - {ridge: 1}\n    - {ridge: 1}",
            "line 4, person.uce.1: the same settings as those of trial 1",
        ),
        ("person:\n  uce:\n    - {ridge: }", "line 3, person.uce.0.ridge: the setting has no value"),
    ],
)
def test_a_wrong_file_says_where(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "trials.yaml"
    file.write_text(content)
    with pytest.raises(UserError, match=message):
        read_settings(file)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--method", "uec"], "has no trials of 'uec'.\nDid you mean 'uce'? It has person: uce, np; style: np."),
        (["--method", "gone"], "has no trials of 'gone'.\nIt has person: uce, np; style: np."),
        (["--kind", "object"], "has no trials of 'object'.\nIt has person: uce, np; style: np."),
        (["--method", "uce", "--kind", "style"], "no trials of 'uce' of the kind style.\nIt has person: uce, np;"),
    ],
)
def test_tune_offers_what_the_file_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    (tmp_path / "trials.yaml").write_text("person: {uce: [{}], np: [{}]}\nstyle: {np: [{}]}\n")
    assert main(["tune", "--trials", str(tmp_path / "trials.yaml"), "--out", str(tmp_path / "t.csv"), *words]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "t.csv").exists()


@pytest.mark.parametrize("kind", list(METRICS))
def test_trials_share_no_name_and_seed_with_the_suite_that_is_reported(kind: str) -> None:
    suite = str(files("erasebench.tuning") / f"{kind}.yaml")
    trial = plan(Request(methods=("uce",), suites=(suite,), world="miniature-validation", baselines="none"))
    reported = {"person": "celebrity"}.get(kind, kind)
    board = plan(Request(methods=("uce",), suites=(reported,), baselines="none"))
    assert load_suite(suite).kind == kind == load_suite(reported).kind
    assert {(row.prompt, row.seed) for job in trial for row in job.table.rows}.isdisjoint(
        (row.prompt, row.seed) for job in board for row in job.table.rows
    )
    if kind != "explicit":
        assert {job.selection.erased for job in trial}.isdisjoint(job.selection.erased for job in board)
    assert trial[0].suite.templates == board[0].suite.templates
    assert load_world("miniature-validation").first_seed > max(row.seed for job in board for row in job.table.rows)
