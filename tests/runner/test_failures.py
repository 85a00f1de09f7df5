"""A mistake is found before any work; a run that fails stays alone."""

from __future__ import annotations

import json
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

import erasebench
from erasebench.api.world import WORLDS
from erasebench.errors import UserError
from erasebench.files.sealed import write_sealed_json
from erasebench.results.record import Record
from erasebench.runner import run
from erasebench.runner.job import Job
from tests.runner.toy import TOY, of, timeless


def test_a_run_that_fails_takes_nothing_with_it(words: dict[str, Any]) -> None:
    summary = erasebench.run(**words | {"method": [TOY + "Clumsy", TOY + "Vandal", TOY + "Shift"]})
    assert [record.method for record in summary.records] == ["original", "shift"]
    assert "out of memory, it says" in summary.failures["clumsy on toy-2"]
    assert "left the pipeline changed" in summary.failures["vandal on toy-2"]
    failed = [Record.read(path) for path in (words["out"] / "results").glob("*-clumsy-*.json")]
    assert [(record.status, record.metrics) for record in failed] == [("failed", {})]


def test_a_mistake_in_a_methods_code_is_shown_and_takes_nothing_with_it(
    words: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="erasebench")
    summary = erasebench.run(**words | {"method": [TOY + "Mistaken", TOY + "Shift"]})
    assert [record.method for record in summary.records] == ["original", "shift"]
    assert summary.failures == {"mistaken on toy-2": "KeyError: 'no-such-layer'"}
    (shown,) = (entry for entry in caplog.records if entry.exc_info)
    assert shown.levelname == "ERROR" and "raise KeyError" in caplog.text


def test_what_cannot_be_published_is_a_failure_and_no_record(
    words: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> bool:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("erasebench.runner.run.publish", full)
    summary = erasebench.run(**words)
    assert summary.records == []
    assert set(summary.failures) == {"original on toy-2", "shift on toy-2"}


def test_a_finished_job_that_cannot_be_read_ends_alone(words: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    erasebench.run(**words, limit=1)
    known = run.finished

    def failing(job: Job) -> Record | None:
        if job.chosen.name == "original":
            raise PermissionError(13, "Permission denied")
        return known(job)

    monkeypatch.setattr("erasebench.runner.run.finished", failing)
    summary = erasebench.run(**words, limit=1)
    assert [record.method for record in summary.records] == ["shift"]
    assert set(summary.failures) == {"original on toy-2"} and summary.board is not None


def test_a_board_that_cannot_be_written_is_a_failure(words: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("an interval is no number")

    monkeypatch.setattr("erasebench.runner.run.write_board", broken)
    summary = erasebench.run(**words, limit=1)
    assert len(summary.records) == 2 and summary.board is None
    assert summary.failures == {"The board": "ValueError: an interval is no number"}


def test_what_a_vandal_did_reaches_nobody(words: dict[str, Any], tmp_path: Path) -> None:
    mixed = erasebench.run(**words | {"method": [TOY + "Vandal", TOY + "Shift"]})
    alone = erasebench.run(**words | {"out": tmp_path / "out2", "runs_folder": tmp_path / "runs2"})
    assert timeless(of(mixed, "shift")) == timeless(of(alone, "shift"))


@pytest.mark.parametrize("place", ["out", "runs_folder"])
def test_a_place_that_cannot_be_written_to_is_found_before_any_work(
    words: dict[str, Any], sampled: list[int], place: str
) -> None:
    words[place].write_text("a file of mine")
    with pytest.raises(UserError, match="cannot be written to: Not a directory|cannot be written to: File exists"):
        erasebench.run(**words)
    assert not sum(sampled) and words[place].read_text() == "a file of mine"


def test_a_judge_that_no_world_has_is_found_before_any_work(words: dict[str, Any], tmp_path: Path) -> None:
    text = Path(words["suite"]).read_text()
    assert "face-id" in text
    (tmp_path / "own.yaml").write_text(text.replace("face-id", "face-idd"))
    with pytest.raises(
        UserError, match=r"judge 'face-idd' for .*No world or package provides it\.\nDid you mean 'face-id'"
    ):
        erasebench.run(**words | {"suite": str(tmp_path / "own.yaml")})


def test_a_plug_in_world_that_is_broken_stops_nobody_else(
    words: dict[str, Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    entry = EntryPoint("theirs", "no_such_package:World", "erasebench.worlds")
    monkeypatch.setitem(WORLDS._entries, "theirs", entry)
    text = Path(words["suite"]).read_text()
    own = text.replace("where_available: [attributes]", "where_available: [theirs]")
    assert own != text
    (tmp_path / "own.yaml").write_text(own)
    erasebench.run(**words | {"suite": str(tmp_path / "own.yaml")}, limit=1)
    assert "uses the judge 'theirs' for " in caplog.text


def test_a_damaged_note_of_whose_a_folder_is_is_written_anew(words: dict[str, Any]) -> None:
    erasebench.run(**words)
    (file,) = words["runs_folder"].glob("*/*/shift-*/run.json")
    whole = file.read_text()
    file.write_text(whole[:20])
    for finished in words["runs_folder"].glob("*/*/finished/shift-*"):
        finished.unlink()
    assert not erasebench.run(**words).failures and file.read_text() == whole


def test_a_folder_whose_name_another_run_has_too_is_left_alone(words: dict[str, Any]) -> None:
    erasebench.run(**words)
    (file,) = words["runs_folder"].glob("*/*/shift-*/run.json")
    theirs = json.loads(file.read_text()) | {"seed": 1}
    write_sealed_json(file, theirs)
    for finished in words["runs_folder"].glob("*/*/finished/shift-*"):
        finished.unlink()
    summary = erasebench.run(**words)
    assert "belongs to another run" in summary.failures["shift on toy-2"]
    assert json.loads(file.read_text()) == theirs


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"settings": {"shift.amont": 1}}, "Did you mean 'amount'"),
        ({"settings": {"shft.amount": 1}}, "Did you mean 'shift'"),
        ({"settings": {"amount": 1}}, "does not name a field"),
        ({"settings": {"shift.amount": "much"}}, "shift.amount"),
        ({"settings": {"shift.steps": 0}}, "greater than or equal to 1"),
        ({"recipe": "as-relased"}, "no recipe 'as-relased'"),
        ({"scale": 3}, "no scale 3"),
        ({"concepts": ("Ann Ach",)}, "Did you mean 'Ann Ash'"),
        ({"limit": 0}, "--limit 0"),
        ({"seed": -1}, "--seed -1"),
        ({"device": "cdua"}, "Did you mean 'cuda"),
        ({"device": "cuda:99"}, "CUDA devices"),
        ({"model": "/no/such/folder/model_index"}, "model_index"),
    ],
)
def test_a_mistake_is_found_before_any_work(words: dict[str, Any], change: dict[str, Any], message: str) -> None:
    if "model" in change:
        change = change | {"world": "stable-diffusion-v1-4"}
    with pytest.raises(UserError) as caught:
        erasebench.run(**words | change)
    assert message in str(caught.value)
    assert not list(words["out"].glob("results/*"))


RAISING = f"{Path(__file__).parents[1] / 'toy_failures.py'}:"


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("exit", "SystemExit: no GPU"),
        ("stop", "StopIteration"),
        ("generator", "GeneratorExit"),
        ("own", "Unheard: of my own"),
        ("recursion", "RecursionError: too deep"),
        ("text", "UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
    ],
)
def test_whatever_a_method_raises_ends_its_own_job_alone(words: dict[str, Any], what: str, said: str) -> None:
    asked = {"method": [RAISING + "Raising", TOY + "Shift"], "settings": {"raising.what": what}}
    summary = erasebench.run(**words | asked, limit=1)
    assert [record.method for record in summary.records] == ["original", "shift"]
    assert summary.failures == {"raising on toy-2": said}
    (failed,) = [Record.read(path) for path in (words["out"] / "results").glob("*-raising-*.json")]
    assert (failed.status, failed.error) == ("failed", said)


def test_an_interruption_goes_through(words: dict[str, Any]) -> None:
    with pytest.raises(KeyboardInterrupt):
        erasebench.run(**words | {"method": RAISING + "Raising"}, settings={"raising.what": "interrupt"}, limit=1)
    assert not list((words["out"] / "results").glob("*-raising-*.json"))


@pytest.mark.parametrize(
    ("world", "said"),
    [
        ("WorldOfRaisingJudge", "SystemExit: no GPU"),
        ("WorldOfRaisingIdentity", "LookupError: no weights listed"),
    ],
)
def test_whatever_a_judge_raises_ends_its_own_jobs_with_a_record(words: dict[str, Any], world: str, said: str) -> None:
    summary = erasebench.run(**words | {"world": RAISING + world}, limit=1)
    assert summary.failures == {"original on toy-2": said, "shift on toy-2": said}
    failed = [Record.read(path) for path in (words["out"] / "results").glob("*.json")]
    assert [(record.status, record.error) for record in failed] == [("failed", said)] * 2
