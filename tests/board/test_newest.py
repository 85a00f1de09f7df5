"""Of records of one job the newest alone is shown."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from erasebench.board import write_board
from erasebench.board.newest import same_job, shown, superseded
from erasebench.results.record import Record
from tests.board.test_board import table_after
from tests.sample_records import record


def run_of(version: str, **changes: Any) -> Record:
    return record("mine", method_version=version, **changes)


FIRST, SECOND = run_of("1"), run_of("2")


def test_another_version_of_a_method_is_the_same_job() -> None:
    assert FIRST.id != SECOND.id and same_job(FIRST) == same_job(SECOND)
    assert superseded([FIRST, SECOND], {FIRST.id: 1.0, SECOND.id: 2.0}) == [FIRST]
    assert superseded([FIRST, SECOND], {FIRST.id: 2.0, SECOND.id: 1.0}) == [SECOND]
    assert superseded([FIRST, SECOND], {FIRST.id: 1.0, SECOND.id: 2.0}, yours=(FIRST.id,)) == [SECOND]


@pytest.mark.parametrize(
    "change",
    [
        {"command": "erasebench run --method mine --suite celebrity --scale 3 --set mine.steps=2"},
        {"scale": 5},
        {"size": "full"},
        {"partial": True},
        {"variant": "other"},
        {"world": "stable-diffusion"},
        {"config": {"method": {"steps": 2}}},
        {"seeds": {"method": 7}},
        {"device": "cuda"},
        {"digests": {"model": "another"}},
        {"concepts": ("Ada Reed",)},
        {"sampling": {"steps": 3}},
        {"digests": {**FIRST.manifest.digests, "judge:face-id": "another file of the same name"}},
    ],
)
def test_another_job_is_no_older_one(change: dict[str, Any]) -> None:
    assert shown([FIRST, run_of("2", **change)]) == [FIRST, run_of("2", **change)]


def test_a_failure_is_said_and_leaves_what_was_done_in_its_table() -> None:
    failed = run_of("3", status="failed", error="no", metrics={})
    when = {FIRST.id: 1.0, SECOND.id: 2.0, failed.id: 3.0}
    assert superseded([FIRST, SECOND, failed], when) == [FIRST]
    assert superseded([failed, SECOND], {failed.id: 1.0, SECOND.id: 2.0}) == [failed]
    again = run_of("4", status="failed", error="no", metrics={})
    assert superseded([failed, again], {failed.id: 1.0, again.id: 2.0}) == [failed]


def test_shipped_records_are_another_matter() -> None:
    shipped = SECOND.model_copy(update={"shipped": True})
    assert superseded([FIRST, shipped]) == []


def test_the_page_counts_what_it_does_not_show(tmp_path: Path) -> None:
    for made, seconds in ((FIRST, 2_000_000_000), (SECOND, 1_000_000_000)):
        os.utime(made.write(tmp_path / "results"), (seconds, seconds))
    text = write_board(tmp_path).read_text()
    assert "Not shown: 1 older record of jobs that were run again since" in text
    assert FIRST.id in text and SECOND.id not in text
    assert [row[0] for row in table_after(text, "### miniature: 3 concepts")] == ["method", "mine"]
