"""Shipped records: written by a maintainer, shown where they fit, marked, and never in the place of an own one."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from erasebench.api.method import METHODS
from erasebench.board import write_board
from erasebench.board.groups import groups, without_repeats
from erasebench.board.shipped import FOLDER, fitting, ship, shipped_records
from erasebench.cli import main
from erasebench.diffusion.profile import NumericsProfile
from erasebench.errors import UserError
from erasebench.identity import digest
from erasebench.results.record import Record
from erasebench.runner.job import plan
from erasebench.runner.request import Request
from tests.sample_records import record

MACE = record("mace")


def shipped(method: str = "uce", **changes: Any) -> Record:
    return record(method, shipped=True, **changes)


def test_whole_records_are_shipped_and_come_back_marked(tmp_path: Path) -> None:
    records = [MACE, record("uce"), record("uce", partial=True), record("uce", scale=5), record("esd-x")]
    paths = ship(records, ["uce", "esd-x"], tmp_path)
    found = shipped_records(tmp_path)
    assert sorted(path.stem for path in paths) == [r.id for r in found]
    assert sorted((r.method, r.scale) for r in found) == [("esd-x", 3), ("uce", 3), ("uce", 5)]
    assert all(r.shipped and not r.partial for r in found)


def test_a_new_record_takes_the_place_of_the_one_shipped_before(tmp_path: Path) -> None:
    ship([record("uce"), record("uce", size="full")], ["uce"], tmp_path)
    newer = record("uce", digests={"model": digest("newer weights")})
    ship([newer], ["uce"], tmp_path)
    assert {r.id for r in shipped_records(tmp_path)} == {newer.id, record("uce", size="full").id}


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([MACE], "no complete record of uce"),
        ([record("uce", partial=True)], "no complete record of uce"),
        ([record("uce", shipped=True)], "no complete record of uce"),
        ([record("uce", status="failed", error="full", metrics={})], "no complete record of uce"),
        ([record("uce"), record("uce", config={"rank": 7})], "Two records of uce are in one table"),
    ],
)
def test_what_cannot_be_shipped_is_said(tmp_path: Path, records: list[Record], message: str) -> None:
    with pytest.raises(UserError, match=message):
        ship(records, ["uce"], tmp_path)
    assert shipped_records(tmp_path) == []


def test_a_broken_file_is_named_and_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ship([record("uce")], ["uce"], tmp_path)
    (tmp_path / "broken.json").write_text("{")
    with caplog.at_level(logging.WARNING):
        assert [r.method for r in shipped_records(tmp_path)] == ["uce"]
    assert "broken.json is not valid JSON" in caplog.text


def test_a_record_fits_where_it_may_stand_in_one_table() -> None:
    near, far = shipped(), shipped(scale=5)
    assert fitting(MACE, "uce", [far, near]) == near
    another = shipped(digests=MACE.manifest.digests | {"erasure": digest("another")})
    assert fitting(MACE, "uce", [another]) == another
    assert len(groups([MACE, near])) == 1


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"world": "stable-diffusion-v1-4"}, "none is shipped for this world and suite"),
        ({"suite": "style"}, "none is shipped for this world and suite"),
        ({"method": "esd-x"}, "none is shipped for this world and suite"),
        ({"variant": "as-released"}, "none is shipped for this world and suite"),
        ({"scale": 5}, "scale 5 is shipped, not 3"),
        ({"size": "full"}, "size full is shipped, not small"),
        ({"concepts": ("Ada Reed",)}, "other concepts"),
        ({"profile": NumericsProfile(batch_size=64, device_type="cuda")}, "device type cuda is shipped, not cpu"),
        ({"profile": NumericsProfile(batch_size=64, dtype="float16")}, "dtype float16 is shipped, not float32"),
        ({"digests": {"model": digest("other"), "prompts": digest("prompts")}}, "other model"),
        ({"digests": MACE.manifest.digests | {"judge:face-id": digest("judge")}}, "other judge:face-id"),
        ({"sampling": {"steps": 50}}, "other"),
    ],
    ids=str,
)
def test_one_that_does_not_fit_is_not_shown_and_why(changes: dict[str, Any], why: str) -> None:
    found = fitting(MACE, "uce", [shipped(**{"method": "uce", **changes})])
    assert isinstance(found, str) and why in found


def test_nothing_is_shown_beside_a_partial_run() -> None:
    assert (
        fitting(record("mace", partial=True), "uce", [shipped()])
        == "a partial run is not compared with shipped records"
    )


def test_a_shipped_row_is_marked_and_names_its_machine(tmp_path: Path) -> None:
    for one in (MACE, shipped(threads=2, cpu="AVX512"), shipped("esd-x", variant="as-released")):
        one.write(tmp_path / "results")
    text = write_board(tmp_path).read_text()
    assert "| uce (shipped) " in text and "| esd-x (as-released, shipped) " in text
    assert "not run here: " in text
    assert "uce (cpu, 2 threads, AVX512, Linux-x86_64)" in text
    assert "esd-x (cpu, Linux-x86_64)" in text


def test_what_was_run_here_takes_the_place_of_what_was_shipped(tmp_path: Path) -> None:
    own, foreign = record("uce", config={"rank": 2}), shipped()
    assert own.id != foreign.id
    assert without_repeats([foreign, own, MACE]) == [own, MACE]
    failed = record("uce", status="failed", error="full", metrics={})
    assert without_repeats([foreign, failed]) == [foreign, failed]
    assert without_repeats([foreign, record("uce", scale=5)])[0] == foreign
    for one in (own, foreign, MACE):
        one.write(tmp_path / "results")
    assert "shipped" not in write_board(tmp_path).read_text()


def test_the_command_ships_what_the_leaderboard_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("erasebench.board.shipped.FOLDER", tmp_path / "shipped")
    for one in (MACE, record("esd-x"), record("uce")):
        one.write(tmp_path / "board" / "results")
    assert main(["board", "--out", str(tmp_path / "board"), "--ship", "esd", "--ship", "uce"]) == 0
    assert sorted(r.method for r in shipped_records()) == ["esd-x", "uce"]
    assert capsys.readouterr().out.count("Shipped: ") == 2
    assert main(["board", "--out", str(tmp_path / "board"), "--ship", "spm"]) == 2
    assert "There is no complete record of spm" in capsys.readouterr().err


def test_the_shipped_files_are_small_readable_records_of_known_methods() -> None:
    paths = list(FOLDER.glob("*.json"))
    records = shipped_records()
    assert sorted(r.id for r in records) == sorted(path.stem for path in paths)
    assert all(r.shipped and r.status == "done" and r.method in METHODS.names() for r in records)
    assert {r.method for r in records if (r.suite, r.scale) == ("celebrity", 10)} == {"original", "uce", "esd-x"}
    assert all(path.stat().st_size < 100_000 for path in paths)


def test_a_bare_run_is_of_the_same_tables_as_the_shipped_records() -> None:
    """Whoever changes a suite, prompt or judge has to ship uce and esd-x anew, or nothing stands beside a bare run."""
    from erasebench.runner.session import Session

    (shipped,) = (r for r in shipped_records() if (r.suite, r.scale, r.method) == ("celebrity", 10, "uce"))
    job = next(job for job in plan(Request(methods=("mace",), suites=("celebrity",))) if job.chosen.name == "mace")
    session = Session(job.world, "cpu")
    here = {"model": job.world.weights_digest(), "prompts": job.table.digest, "suite": job.suite.digest}
    names = [key.removeprefix("judge:") for key in shipped.manifest.digests if key.startswith("judge:")]
    here |= {f"judge:{name}": session.judge_digest(name) for name in names}
    here["reference"] = next(found for name in names if (found := session.reference_digest(name)))
    assert {key: shipped.manifest.digests[key] for key in here} == here
    assert set(names) == {judge for group in job.table.groups for judge in job.suite.judges_of(group, job.world)}
    assert shipped.manifest.profile == job.profile
