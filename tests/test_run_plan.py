"""A plan is many runs in one command: the same records as one by one, whatever the number of workers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from erasebench.errors import UserError
from erasebench.runner.plan_file import read_plan
from erasebench.runner.request import Request
from erasebench.runner.run import run_jobs
from erasebench.runner.run_plan import in_order, run_plan
from erasebench.runner.threads import threads

HERE = Path(__file__).parent
SHIFT = f"{HERE / 'toy_world.py'}:Shift"


@pytest.fixture
def common(tmp_path: Path, tiny_model_folder: Path) -> Request:
    return Request(
        methods=(),
        suites=(),
        world=f"{HERE / 'toy_world.py'}:ToyWorld",
        model=str(tiny_model_folder),
        out=tmp_path / "leaderboard",
        runs_folder=tmp_path / "runs",
    )


def plan_of(folder: Path, *runs: Any) -> Path:
    file = folder / "plan.yaml"
    file.write_text(json.dumps({"runs": runs}))
    return file


def results(folder: Path) -> dict[str, Any]:
    found = {}
    for path in sorted((folder / "results").glob("*.json")):
        content = json.loads(path.read_text())
        del content["manifest"]["stages"], content["manifest"]["sampling_ratio"], content["manifest"]["threads"]
        found[path.name] = content
    return found


def test_a_plan_names_each_run_once_and_the_unedited_model_first(tmp_path: Path, common: Request) -> None:
    entry = {"methods": ["uce", "rece"], "suites": ["celebrity", "style"], "settings": {"uce.ridge": 0.25}}
    one = {"methods": ["uce"], "suites": ["celebrity"], "scale": 1}
    same = {"methods": ["rece"], "suites": ["celebrity"], "scale": 10}  # the suite's own scale, so nothing new
    common = replace(common, world="miniature", model=None)
    requests = in_order(read_plan(plan_of(tmp_path, entry, one, same), common))
    asked = [(request.methods[0], request.suites[0], request.scale) for request in requests]
    assert asked[:3] == [("original", "celebrity", None), ("original", "style", None), ("original", "celebrity", 1)]
    assert len(asked) == len(set(asked)) == 8
    assert next(request.settings for request in requests if request.methods == ("uce",)) == {"uce.ridge": "0.25"}
    assert all(not request.settings for request in requests if request.methods != ("uce",))
    assert {request.baselines for request in requests} == {"none"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("runs: [{methods: [uce]}]", "runs.0.suites: Field required"),
        ("runs: [{methods: [uce], suites: [style], scales: 10}]", "runs.0.scales: Extra inputs"),
        ("runs: [", "is not valid YAML"),
        ("runs: []", "runs: "),
        ("runs: [{methods: [uce], suites: [celebrity], scale: true}]", "runs.0.scale: Input should be a valid integer"),
        ("runs: [{methods: [uce], suites: [celebrity], repeats: true}]", "runs.0.repeats: Input should be a valid int"),
        ("runs: [{methods: [uce], suites: []}]", "runs.0.suites: "),
        ("runs: [{methods: [uce], suites: [style], settings: {uec.ridge: 1}}]", "method 'uec' is not part of this run"),
        ("- uce", "the file: "),
    ],
)
def test_a_plan_that_is_wrong_says_where(tmp_path: Path, common: Request, content: str, message: str) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(content)
    with pytest.raises(UserError, match=message):
        read_plan(file, common)


def test_a_mistake_in_the_last_run_is_found_before_the_first(tmp_path: Path, common: Request) -> None:
    suite = str(HERE / "data" / "toy.yaml")
    entries = [{"methods": [SHIFT], "suites": [suite]}, {"methods": ["no-such"], "suites": [suite]}]
    with pytest.raises(UserError, match="no method 'no-such'"):
        run_plan(read_plan(plan_of(tmp_path, *entries), common))
    assert not common.runs_folder.exists()


@pytest.mark.slow
def test_two_workers_work_at_once_and_make_the_records_that_single_runs_make(
    tmp_path: Path, common: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = str(HERE / "data" / "toy.yaml")
    toys = [f"{HERE / 'toy_world.py'}:{name}" for name in ("Meeting", "MeetingToo", "Clumsy", "Shift")]
    (tmp_path / "meeting").mkdir()
    monkeypatch.setenv("TOY_MEETING", str(tmp_path / "meeting"))
    requests = read_plan(plan_of(tmp_path, {"methods": toys, "suites": [suite]}), common)
    summary = run_plan(requests, workers=2)
    # Neither of the meeting ones ends before the other has begun, and what fails takes nobody along.
    assert {record.method for record in summary.records} == {"original", "meeting", "meeting-too", "shift"}
    assert summary.failures == {"clumsy on toy-2": "RuntimeError: out of memory, it says"}
    assert summary.board == common.out / "README.md"
    alone = replace(common, out=tmp_path / "alone", runs_folder=tmp_path / "alone-runs")
    with threads(*{record.manifest.threads for record in summary.records}):  # a sum's order moves the last digits
        run_jobs(replace(alone, methods=tuple(toys), suites=(suite,)))
    assert results(common.out) == results(alone.out)
    again = run_plan(requests[:2], workers=1)
    assert {record.id for record in again.records} <= {record.id for record in summary.records}


def test_a_board_that_cannot_be_written_ends_no_plan(
    tmp_path: Path, common: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("an interval is no number")

    monkeypatch.setattr("erasebench.runner.run_plan.write_board", broken)
    monkeypatch.setattr("erasebench.runner.run_plan.BOARD_SECONDS", 0.0)
    entry = {"methods": [SHIFT], "suites": [str(HERE / "data" / "toy.yaml")]}
    summary = run_plan(read_plan(plan_of(tmp_path, entry), replace(common, limit=1)))
    assert {record.method for record in summary.records} == {"original", "shift"}
    assert summary.failures == {"The board": "ValueError: an interval is no number"} and summary.board is None


@pytest.mark.slow
def test_a_killed_plan_leaves_no_worker_behind(tmp_path: Path, common: Request) -> None:
    (tmp_path / "meeting").mkdir()
    entry = {"methods": [f"{HERE / 'toy_world.py'}:Meeting"], "suites": [str(HERE / "data" / "toy.yaml")]}
    words = ["--world", common.world, "--model", str(common.model), "--out", str(common.out)]
    words += ["--runs-folder", str(common.runs_folder), "--plan", str(plan_of(tmp_path, entry)), "--workers", "2"]
    command = [sys.executable, "-c", "from erasebench.cli import main; main()", "run", *words]
    with subprocess.Popen(command, env=os.environ | {"TOY_MEETING": str(tmp_path / "meeting")}) as process:
        wait_until(lambda: any((tmp_path / "meeting").iterdir()))
        locks = [path for path in common.runs_folder.rglob("lock") if path.read_text()]
        (holder,) = {int(path.read_text()) for path in locks}
        assert holder != process.pid
        process.kill()
    wait_until(lambda: not alive(holder))


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")
