"""A board of 3,000 records, for the first time and again, when it knows its records' differences."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from erasebench.board import write_board
from erasebench.board.build import read_records
from erasebench.board.remembered import _opened
from erasebench.results.record import Record
from tests.benchmarks.measure import Taken, put, timed

OURS = Path(__file__).parents[2] / "leaderboard" / "results"
RECORDS = 3000


def write_records(folder: Path) -> None:
    """The project's own records, again and again under other names of methods, until there are RECORDS."""
    folder.mkdir(parents=True)
    own = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(OURS.glob("*.json"))]
    for at in range(RECORDS):
        again, record = at // len(own), own[at % len(own)]
        copy = {**record, "identity": f"{again:04x}{record['identity'][:-4]}"}
        if again:
            copy["method"] = f"{record['method']}-{again}"
            copy["pairing"] = turned(record["pairing"], again)
        name = Record.model_validate(copy).id
        (folder / f"{name}.json").write_text(json.dumps(copy), encoding="utf-8")


def turned(pairing: dict[str, Any] | None, by: int) -> dict[str, Any] | None:
    """The same prompts with each other's numbers, so that no difference is known from another record's."""
    if pairing is None:
        return None
    parts = {}
    for name, part in pairing["parts"].items():
        keys, numbers = zip(*(cell.split(":") for cell in part["by_cluster"].split()), strict=True)
        moved = numbers[by:] + numbers[:by]
        parts[name] = {**part, "by_cluster": " ".join(f"{key}:{n}" for key, n in zip(keys, moved, strict=True))}
    return {**pairing, "parts": parts}


def processor(taken: list[Taken]) -> dict[str, float]:
    return {"processor": median(each.processor for each in taken)}


@pytest.mark.slow
def test_a_board_of_three_thousand_records(
    benchmark: BenchmarkFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ERASEBENCH_CACHE", str(tmp_path / "cache"))
    write_records(tmp_path / "results")

    def board() -> bytes:
        _opened.cache_clear()
        return write_board(tmp_path).read_bytes()

    def series() -> tuple[list[Taken], list[Taken]]:
        firsts, agains = [], []
        for _ in range(3):
            shutil.rmtree(tmp_path / "cache", ignore_errors=True)
            firsts.append(timed(board))
            agains.append(timed(board))
        return firsts, agains

    firsts, agains = benchmark.pedantic(series, rounds=1)
    reading = timed(lambda: read_records(tmp_path / "results"))
    put(benchmark, "board", [each.wall for each in firsts], seconds=processor(firsts) | {"reading": reading.wall})
    put(benchmark, "board-again", [each.wall for each in agains], seconds=processor(agains))
    records, unreadable = reading.result
    assert len(records) == RECORDS and not unreadable
    assert len({each.result for each in (*firsts, *agains)}) == 1
    assert agains[0].processor < firsts[0].processor
