"""Baselines of a run are shown from shipped records that fit, or run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import erasebench
from erasebench.board.shipped import ship, shipped_records
from erasebench.cli import main
from erasebench.errors import UserError
from erasebench.results.record import Record
from erasebench.runner.forecast import forecast
from erasebench.runner.job import plan
from erasebench.runner.request import BASELINES, Request, version_of
from erasebench.runner.run import Summary
from erasebench.runner.sheet_rows import sheet_rows

HERE = Path(__file__).parent
TOY = f"{HERE / 'toy_world.py'}:"
SUITE = str(HERE / "data" / "toy.yaml")


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in the place of the shipped records."""
    monkeypatch.setattr("erasebench.board.shipped.FOLDER", tmp_path / "shelf")
    return tmp_path / "shelf"


@pytest.fixture
def words(toy_words: dict[str, Any], shelf: Path) -> dict[str, Any]:
    """The words of a run that every test starts from."""
    return toy_words


def put_on_the_shelf(shelf: Path, summary: Summary, method: str = "uce", **changes: Any) -> Record:
    """A shipped record of `method` made from the run's record of shift."""
    made = next(record for record in summary.records if record.method == "shift")
    version = version_of(erasebench.load_method(method))
    foreign = made.model_copy(update={"method": method, "method_version": version, "identity": "ab" * 32, **changes})
    ship([foreign], [method], shelf)
    return foreign.model_copy(update={"shipped": True})


def test_shipped_records_that_fit_are_shown_and_the_others_named(
    words: dict[str, Any], shelf: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="erasebench")
    first = erasebench.run(**words)
    assert "toy, 2 concepts, small size has no shipped row of uce, esd-x: none is shipped for this world" in caplog.text
    assert "--baselines run" in caplog.text
    foreign = put_on_the_shelf(shelf, first)
    caplog.clear()
    again = erasebench.run(**words)
    assert [record.method for record in again.records] == ["original", "shift"]
    assert again.shipped == [foreign]
    text = (words["out"] / "README.md").read_text()
    assert "| uce (shipped) " in text and "not run here: uce (cpu, " in text
    assert "no shipped row of esd-x: " in caplog.text and "uce, esd-x" not in caplog.text
    assert "another version" not in caplog.text
    # The shipped one's rows are those of shift.
    short, row = [line for line in text.splitlines() if line.startswith("| uce (shipped)")]
    assert short.count("|") < row.count("|")
    assert "| 0.0 [" in row and "≈ |" in row


def test_a_record_of_another_scale_stays_on_the_shelf(
    words: dict[str, Any], shelf: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="erasebench")
    put_on_the_shelf(shelf, erasebench.run(**words))
    other = erasebench.run(**words, scale=1)
    assert other.shipped == []
    assert "Table toy, 1 concept, small size has no shipped row of uce: scale 2 is shipped, not 1." in caplog.text


def test_a_method_that_was_run_here_is_not_shown_as_shipped(words: dict[str, Any], shelf: Path) -> None:
    put_on_the_shelf(shelf, erasebench.run(**words))
    summary = erasebench.run(**words | {"method": "uce"})
    assert ([record.method for record in summary.records], summary.shipped) == (["original", "uce"], [])
    later = erasebench.run(**words)
    assert [record.method for record in later.shipped] == ["uce"]
    assert "shipped" not in (words["out"] / "README.md").read_text()


def sampled_of_the_unedited_model(words: dict[str, Any]) -> int:
    return sum(len(list(folder.glob("*.png"))) for folder in words["runs_folder"].glob("*/images/original-*"))


def elsewhere(words: dict[str, Any], name: str) -> dict[str, Any]:
    folder = words["out"].parent / name
    return words | {"out": folder / "board", "runs_folder": folder / "runs"}


def shelve_the_unedited_model(shelf: Path, summary: Summary, **changes: Any) -> list[Record]:
    found = [record.model_copy(update=changes) for record in summary.records if record.method == "original"]
    ship(found, ["original"], shelf)
    return [record.model_copy(update={"shipped": True}) for record in found]


def test_the_unedited_model_is_shown_where_its_record_fits_and_sampled_for_the_sheet_alone(
    words: dict[str, Any], shelf: Path
) -> None:
    first = erasebench.run(**words)
    assert [record.method for record in first.records] == ["original", "shift"]
    shown = shelve_the_unedited_model(shelf, first)
    other = elsewhere(words, "other")
    asked = Request((words["method"],), (SUITE,), world=words["world"], model=words["model"])
    summary = erasebench.run(**other)
    assert ([record.method for record in summary.records], summary.shipped) == (["shift"], shown)
    (shift,) = summary.records
    assert shift.metrics == next(record for record in first.records if record.method == "shift").metrics
    sheet = f"sheets/{shift.id}.png"
    assert (other["out"] / sheet).read_bytes() == (words["out"] / sheet).read_bytes(), "both columns, the same images"
    (job,) = plan(Request((words["method"],), (SUITE,), world=words["world"], model=words["model"], baselines="none"))
    assert sampled_of_the_unedited_model(other) == len(sheet_rows(job)) < sampled_of_the_unedited_model(words)
    assert "original (unedited, shipped)" in (other["out"] / "README.md").read_text()
    assert "original on toy-2, small size: shown from a shipped record if" in forecast(asked)


@pytest.mark.parametrize("changed", ["limit", "judge"])
def test_the_unedited_model_is_run_where_its_record_does_not_fit(
    words: dict[str, Any], shelf: Path, changed: str
) -> None:
    first = erasebench.run(**words)
    manifest = first.records[0].manifest
    (judge,) = (name for name in manifest.digests if name == "judge:face-id")
    digests = manifest.digests | ({judge: "ab" * 32} if changed == "judge" else {})
    shelve_the_unedited_model(shelf, first, manifest=manifest.model_copy(update={"digests": digests}))
    summary = erasebench.run(**elsewhere(words, "other"), limit=1 if changed == "limit" else None)
    assert sorted(record.method for record in summary.records) == ["original", "shift"]
    assert summary.shipped == []


def test_of_runs_that_are_averaged_all_are_shown_with_their_average_or_none(
    toy_words: dict[str, Any], shelf: Path
) -> None:
    objects = f"{HERE / 'toy_objects.py'}:"
    suite = {"suite": str(HERE / "data" / "toy-objects.yaml"), "world": objects + "ToyObjects"}
    words = toy_words | suite | {"method": objects + "ShiftAny"}
    first = erasebench.run(**words)
    whole = shelve_the_unedited_model(shelf, first)
    assert len(whole) == 3, "two classes and their average"
    shown = erasebench.run(**elsewhere(words, "shown"))
    assert {record.id for record in shown.shipped} == {record.id for record in whole}
    assert {record.method for record in shown.records} == {"shift"}
    (average,) = (record for record in whole if record.scale == "average")
    (shelf / f"{average.id}.json").unlink()
    run = erasebench.run(**elsewhere(words, "run"))
    scales = [record.scale for record in run.records if record.method == "original"]
    assert len(scales) == 3 and "average" in scales and run.shipped == []


def test_an_older_shipped_record_leaves_the_board_and_another_version_is_said(
    words: dict[str, Any], shelf: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = erasebench.run(**words)
    old = put_on_the_shelf(shelf, first)
    erasebench.run(**words)
    new = put_on_the_shelf(shelf, first, identity="cd" * 32, method_version="ef" * 32)
    assert [record.id for record in shipped_records()] == [new.id]
    caplog.set_level("INFO", logger="erasebench")
    erasebench.run(**words)
    assert "uce is shown from a shipped record of another version of its source." in caplog.text
    names = {path.stem for path in (words["out"] / "results").iterdir()}
    assert new.id in names and old.id not in names


def test_a_failure_here_takes_the_place_of_the_shipped_record_of_the_same_job(words: dict[str, Any]) -> None:
    from erasebench.runner.cache import publish

    done = erasebench.run(**words, baselines="none").records[0]
    foreign = done.model_copy(update={"shipped": True})
    failed = done.model_copy(update={"status": "failed", "error": "full", "metrics": {}})
    out, path = words["out"], words["out"] / "results" / f"{done.id}.json"
    assert not publish(out, foreign) and not publish(out, failed) and Record.read(path) == done
    path.unlink()
    assert publish(out, foreign) and not publish(out, foreign) and publish(out, failed)
    assert Record.read(path).status == "failed"
    assert not publish(out, foreign) and publish(out, done)


def test_none_runs_and_shows_nothing(words: dict[str, Any], shelf: Path, caplog: pytest.LogCaptureFixture) -> None:
    put_on_the_shelf(shelf, erasebench.run(**words))
    caplog.clear()
    caplog.set_level("INFO", logger="erasebench")
    alone = erasebench.run(**words | {"out": words["out"].parent / "other"}, baselines="none")
    assert ([record.method for record in alone.records], alone.shipped) == (["shift"], [])
    assert "no shipped row" not in caplog.text
    assert "uce" not in (alone.board or Path()).read_text()


def request(*methods: str, **more: Any) -> Request:
    return Request(methods=methods, suites=(SUITE,), **more)


def test_what_is_run_and_what_is_shown() -> None:
    assert BASELINES == ("uce", "esd-x")
    bare = request("mace")
    assert (bare.all_methods, bare.shown_beside) == (("original", "mace"), ("original", "uce", "esd-x"))
    run = request("mace", baselines="run")
    assert (run.all_methods, run.shown_beside) == (("original", "uce", "esd-x", "mace"), ())
    none = request("mace", "original", "mace", baselines="none")
    assert (none.all_methods, none.shown_beside) == (("mace", "original"), ())


@pytest.mark.parametrize("asked", ["esd", "esd-x"])
def test_a_setting_is_named_by_the_method_or_by_its_alias_as_asked(asked: str) -> None:
    request = Request(methods=(asked,), suites=("celebrity",), settings={f"{asked}.steps": "3"}, baselines="none")
    (job,) = plan(request)
    assert (job.chosen.name, job.chosen.config.steps) == ("esd-x", 3)


def test_an_alias_is_the_same_method() -> None:
    named = request("esd", "uce", "esd-x")
    assert (named.all_methods, named.shown_beside) == (("original", "esd", "uce"), ("original",))
    assert request("mace", "esd", baselines="run").all_methods == ("original", "uce", "esd", "mace")


def test_another_word_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="--baselines shiped is not possible"):
        request("mace", baselines="shiped")
    assert main(["run", "--method", "mace", "--suite", "celebrity", "--baselines", "uce"]) == 2
    assert "Available: none, run, shipped." in capsys.readouterr().err


def test_several_methods_are_compared_in_pairs_in_one_table(
    words: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"--world": "world", "--model": "model", "--suite": "suite", "--out": "out", "--runs-folder": "runs_folder"}
    places = [word for option, key in names.items() for word in (option, str(words[key]))]
    assert main(["run", "--method", words["method"], "--method", "uce", *places, "--size", "full"]) == 0
    printed = capsys.readouterr().out
    rows = [line for line in printed.splitlines() if "[" in line]
    *yours, other = [row.split("  ")[0] for row in rows]
    assert (sorted(yours), other) == (["shift (yours)", "uce (yours)"], "original (unedited)")
    assert max(map(len, rows)) <= 80
    assert printed.splitlines()[-1].startswith("Board: ")
    page = (words["out"] / "README.md").read_text()
    assert "H_c less the best's, %" in page and "does not compete |" in page
