"""A board that knows its records' differences against one that computes them, in one run."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from erasebench.board import write_board
from erasebench.board.remembered import _opened
from erasebench.results.record import Record

OURS = Path(__file__).parents[2] / "leaderboard" / "results"


@pytest.mark.slow
def test_a_rebuilt_board_costs_milliseconds_a_record(
    benchmark: BenchmarkFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ERASEBENCH_CACHE", str(tmp_path / "cache"))
    shutil.copytree(OURS, tmp_path / "results")
    paths = sorted((tmp_path / "results").glob("*.json"))
    started = time.process_time()
    first = write_board(tmp_path).read_bytes()
    between = time.process_time()
    _opened.cache_clear()
    benchmark.pedantic(write_board, args=(tmp_path,), rounds=1)
    again = time.process_time() - between
    for path in paths:
        Record.read(path)
    reading = time.process_time() - between - again
    benchmark.extra_info |= {
        "milliseconds a record, first": round(1000 * (between - started) / len(paths), 1),
        "again": round(1000 * again / len(paths), 1),
        "of these, reading": round(1000 * reading / len(paths), 1),
    }
    assert (tmp_path / "README.md").read_bytes() == first
    # Reading and checking the records is work that no cache spares: the rest stays within three times of it.
    assert again < 4 * reading and again < between - started
