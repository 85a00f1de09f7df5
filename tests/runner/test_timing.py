"""The seconds of an erasure are those of all attempts at it, of killed ones too."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

import erasebench
from erasebench.cost import Cost, measured
from erasebench.files.sealed import write_sealed_json
from erasebench.runner import timing
from erasebench.runner.timing import all_attempts
from tests.runner.toy import of


def test_earlier_attempts_count_and_the_larger_peak_stays(tmp_path: Path) -> None:
    file = tmp_path / "attempts.json"
    write_sealed_json(file, [100.0, 2**60])
    with measured("cpu") as meter, all_attempts(file, meter) as spent:
        cost = spent()
    assert 100.0 < cost.seconds < 110.0 and cost.peak_memory_bytes == 2**60
    assert Cost(*json.loads(file.read_text())).seconds >= cost.seconds


def test_what_a_kill_would_leave_is_there_before_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "SECONDS_BETWEEN", 0.01)
    file = tmp_path / "attempts.json"
    with measured("cpu") as meter, all_attempts(file, meter):
        deadline = time.monotonic() + 10
        while not file.exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert json.loads(file.read_text())[0] > 0


def test_a_torn_file_is_no_attempt(tmp_path: Path) -> None:
    file = tmp_path / "attempts.json"
    file.write_text("[3.")
    with measured("cpu") as meter, all_attempts(file, meter) as spent:
        assert spent().seconds < 3


@pytest.mark.slow
def test_a_record_counts_the_attempt_that_was_cut_short(words: dict[str, Any]) -> None:
    first = erasebench.run(**words)
    folder = next(words["runs_folder"].glob("toy/toy-2/shift-*"))
    assert not (folder / "attempts.json").exists()
    for path in (folder / "erasure" / "cost.json", *words["runs_folder"].glob("toy/toy-2/finished/shift-*")):
        path.unlink()
    write_sealed_json(folder / "attempts.json", [1000.0, 1])
    again = of(erasebench.run(**words), "shift")
    assert again.id == of(first, "shift").id
    assert again.manifest.stages["erase"].seconds > 1000
    assert not (folder / "attempts.json").exists()
