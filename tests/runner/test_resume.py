"""What is done stays done, what is cut short goes on, nothing poisons anything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import erasebench
from erasebench.runner.stages import ROWS_PER_CHUNK
from tests.runner.toy import TESTS, TOY, of, pixels, timeless

DRIVER = TESTS / "kill_driver.py"


def test_a_finished_run_does_nothing(
    words: dict[str, Any], sampled: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    first = erasebench.run(**words)
    before = {path: path.stat().st_mtime_ns for path in words["runs_folder"].rglob("*") if path.is_file()}
    sampled.clear()
    caplog.set_level("INFO", logger="erasebench")
    again = erasebench.run(**words)
    assert again.records == first.records
    assert sampled == []
    assert {path: path.stat().st_mtime_ns for path in words["runs_folder"].rglob("*") if path.is_file()} == before
    assert "shift on toy-2: already done, nothing to do." in caplog.messages


def test_a_finished_run_is_published_again_where_the_leaderboard_is_gone(words: dict[str, Any], tmp_path: Path) -> None:
    erasebench.run(**words)
    summary = erasebench.run(**words | {"out": tmp_path / "other"})
    made = {path.name for path in (tmp_path / "other").iterdir()}
    assert made == {"README.md", "index.html", "results", "sheets"}
    assert len(list((tmp_path / "other" / "sheets").iterdir())) == len(summary.records) == 2


def test_a_limit_never_poisons_the_whole(words: dict[str, Any], tmp_path: Path, sampled: list[int]) -> None:
    limited = erasebench.run(**words, limit=1)
    assert all(record.partial for record in limited.records)
    assert of(limited, "shift").metrics["acc_e"].n_expected == 1
    sampled.clear()
    whole = erasebench.run(**words)
    assert sampled == [10, 10]
    straight = erasebench.run(**words | {"out": tmp_path / "out2", "runs_folder": tmp_path / "runs2"})
    assert [timeless(record) for record in whole.records] == [timeless(record) for record in straight.records]
    assert pixels(words["runs_folder"]) == pixels(tmp_path / "runs2")
    assert {record.id for record in limited.records}.isdisjoint(record.id for record in whole.records)


def test_the_unedited_model_paints_a_prompt_once(words: dict[str, Any], sampled: list[int]) -> None:
    erasebench.run(**words | {"method": "original"})
    sampled.clear()
    erasebench.run(**words | {"method": "original"}, concepts=("Bob Bell", "Cat Cole"))
    assert sum(sampled) == 4 - 2 + 2 - 2


def test_a_changed_image_is_named_set_aside_and_made_again(
    words: dict[str, Any], sampled: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    first = erasebench.run(**words)
    whole = pixels(words["runs_folder"])
    victim = next(iter(words["runs_folder"].glob("toy/images/shift-*/*.png")))
    victim.write_bytes(b"not what was written")
    sampled.clear()
    again = erasebench.run(**words)
    assert sampled == [1]
    assert any(str(victim) in message and "set aside" in message for message in caplog.messages)
    assert (victim.parent / "set-aside" / f"{victim.stem}-0.png").read_bytes() == b"not what was written"
    assert pixels(words["runs_folder"]) == whole
    assert [timeless(record) for record in again.records] == [timeless(record) for record in first.records]


def test_a_missing_judge_leaves_its_figures_unscored_until_it_is_there(
    words: dict[str, Any], sampled: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    blind = erasebench.run(**words | {"world": TOY + "BlindWorld"})
    metrics = of(blind, "shift").metrics
    assert metrics["acc_e"].value is None
    assert metrics["acc_e"].reason == "The recogniser's weights are not here."
    assert metrics["clip_score_general"].value is not None
    assert "Put them into the folder." in caplog.text
    sampled.clear()
    seeing = erasebench.run(**words)
    assert sampled == []
    assert of(seeing, "shift").metrics["acc_e"].n_scored > 0


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_the_same(words: dict[str, Any], tmp_path: Path) -> None:
    places = [words[key] for key in ("model", "out", "runs_folder")]
    for kill in ("erase:2", "put:5", "judge:2"):
        arguments = [sys.executable, str(DRIVER), kill, *map(str, places)]
        assert subprocess.run(arguments, capture_output=True, cwd=TESTS.parent, check=False).returncode == -9
    resumed = erasebench.run(**words)
    straight = erasebench.run(**words | {"out": tmp_path / "out2", "runs_folder": tmp_path / "runs2"})
    assert [timeless(record) for record in resumed.records] == [timeless(record) for record in straight.records]
    assert pixels(words["runs_folder"]) == pixels(tmp_path / "runs2")
    assert resumed.failures == {}


def test_a_kill_costs_at_most_a_chunk_of_judgements() -> None:
    assert ROWS_PER_CHUNK <= 256
