"""What was damaged since is named and counts as not finished: the job is done again, without a traceback."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import erasebench
from tests.runner.toy import TESTS, of, timeless


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def no_text(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00")


def another_kind(path: Path) -> None:
    path.write_text("[1, 2]")


def deep(path: Path) -> None:
    path.write_text("[" * 100_000)


def without_record(path: Path) -> None:
    path.write_text(json.dumps({key: value for key, value in json.loads(path.read_text()).items() if key != "record"}))


def wrong_record(path: Path) -> None:
    content = json.loads(path.read_text())
    content["record"]["status"] = "perhaps"
    path.write_text(json.dumps(content))


def turned_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("ending", "damage"),
    [
        *((".json", damage) for damage in (cut, emptied, no_text, another_kind, deep, without_record, wrong_record)),
        *((".parquet", damage) for damage in (cut, emptied, turned_bit)),
    ],
)
def test_a_damaged_finished_file_is_named_and_its_job_done_again(
    words: dict[str, Any],
    sampled: list[int],
    caplog: pytest.LogCaptureFixture,
    ending: str,
    damage: Callable[[Path], None],
) -> None:
    first = erasebench.run(**words)
    (file,) = words["runs_folder"].glob(f"toy/toy-2/finished/shift-*{ending}")
    damage(file)
    sampled.clear()
    caplog.clear()
    caplog.set_level("INFO", logger="erasebench")
    again = erasebench.run(**words)
    assert again.failures == {}
    assert sampled == [], "the images are still there"
    assert timeless(of(again, "shift")) == timeless(of(first, "shift"))
    (warning,) = (record.getMessage() for record in caplog.records if record.levelname == "WARNING")
    assert str(file) in warning and warning.endswith("shift on toy-2 counts as not finished.")
    assert "original on toy-2: already done, nothing to do." in caplog.messages
    caplog.clear()
    erasebench.run(**words)
    assert "shift on toy-2: already done, nothing to do." in caplog.messages


def test_a_damaged_record_of_the_leaderboard_is_named_and_written_again(
    words: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    shift = of(erasebench.run(**words), "shift")
    file = words["out"] / "results" / f"{shift.id}.json"
    whole = file.read_bytes()
    cut(file)
    erasebench.run(**words)
    assert file.read_bytes() == whole
    assert f"{file} is not valid JSON" in caplog.text


def test_a_damaged_average_is_named_and_made_again(words: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    asked = words | {"world": f"{TESTS / 'toy_objects.py'}:ToyObjects", "suite": str(TESTS / "data/toy-objects.yaml")}
    asked |= {"method": f"{TESTS / 'toy_objects.py'}:ShiftAny", "baselines": "none"}
    first = erasebench.run(**asked)
    (file,) = words["runs_folder"].glob("*/*-average/finished/*.json")
    whole = file.read_bytes()
    cut(file)
    again = erasebench.run(**asked)
    assert again.records == first.records
    assert file.read_bytes() == whole
    assert f"{file} was changed after it was written" in caplog.text
