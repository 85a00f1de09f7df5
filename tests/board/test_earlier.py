"""Rows of an earlier version of a method's code are named on the page, and stay in their table."""

from __future__ import annotations

from pathlib import Path

from erasebench.board import write_board
from erasebench.runner.versions import todays_version
from tests.sample_records import record

EARLIER = "measured with an earlier version of the method's code."


def test_a_row_of_an_earlier_version_is_named_and_stays_in_its_table(tmp_path: Path) -> None:
    for name in ("mace", "uce", "esd-x"):
        record(name).write(tmp_path / "results")
    today = {"mace": record("mace").method_version, "uce": "another"}
    text = write_board(tmp_path, version_of=today.get).read_text(encoding="utf-8")
    assert f"\n\nuce: {EARLIER}\n\n" in text
    assert text.count(EARLIER) == 1
    assert all(f"\n| {name} " in text for name in today)


def test_where_no_version_is_known_nothing_is_said(tmp_path: Path) -> None:
    record("mace").write(tmp_path / "results")
    assert EARLIER not in write_board(tmp_path).read_text(encoding="utf-8")
    assert EARLIER not in write_board(tmp_path, version_of=lambda _: None).read_text(encoding="utf-8")


def test_a_method_that_is_not_installed_has_no_version() -> None:
    assert todays_version("somebody's own") is None
    assert todays_version("uce") == todays_version("uce") != todays_version("rece")
