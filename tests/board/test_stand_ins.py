"""Records that were made with stand-ins: on no board, and said to be there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from erasebench.board import write_board
from erasebench.board.build import read_records
from erasebench.board.shipped import ship, shipped_records
from erasebench.board.short import terminal_table
from erasebench.board.stand_ins import with_stand_ins
from erasebench.errors import UserError
from erasebench.results.frames import records_frame
from erasebench.results.record import Record
from tests.sample_records import record

REAL = record("mace")
MADE = record("uce", stand_ins=("fid", "model"))
FAILED = record("esd-x", stand_ins=("model",), status="failed", error="The disk is full.", metrics={})


def test_a_board_says_how_many_there_are_and_shows_none(tmp_path: Path) -> None:
    for each in (REAL, MADE, FAILED):
        each.write(tmp_path / "results")
    readme = write_board(tmp_path, [MADE.id])
    for text in (readme.read_text(), (tmp_path / "index.html").read_text()):
        assert "2 records made with stand-ins (fid, model)" in text
        assert REAL.id in text and MADE.id not in text and FAILED.id not in text
        assert "esd-x" not in text.partition("Published")[0] and "This run" not in text


def test_a_board_of_real_records_does_not_mention_them(tmp_path: Path) -> None:
    REAL.write(tmp_path / "results")
    assert "stand-in" not in write_board(tmp_path).read_text()


def test_the_terminal_shows_none(tmp_path: Path) -> None:
    assert terminal_table([MADE], [MADE.id]) == ""
    assert "uce" not in terminal_table([REAL, MADE]) and "mace" in terminal_table([REAL, MADE])
    assert with_stand_ins([REAL]) == ""
    assert with_stand_ins([MADE]).startswith("Not shown: 1 record made with stand-ins (fid, model): it shows")


def test_none_is_shipped(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no complete record of uce") as error:
        ship([REAL, MADE], ["uce"], tmp_path)
    assert "without stand-ins" in error.value.hint
    MADE.model_copy(update={"shipped": True}).write(tmp_path)
    assert shipped_records(tmp_path) == []


def test_a_frame_says_which_they_are() -> None:
    frame = records_frame([REAL, MADE])
    assert set(frame.loc[frame["method"] == "uce", "stand_ins"]) == {"fid, model"}
    assert set(frame.loc[frame["method"] == "mace", "stand_ins"]) == {""}


def test_a_record_of_real_weights_is_written_as_before(tmp_path: Path) -> None:
    assert "stand_ins" not in json.loads(REAL.write(tmp_path).read_text())
    made = MADE.write(tmp_path)
    assert json.loads(made.read_text())["stand_ins"] == ["fid", "model"]
    assert Record.read(made) == MADE
    assert len(read_records(tmp_path)[0]) == 2
