"""What killed writers left is removed at the start of a run; what a living one writes stays."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import erasebench
from erasebench.files.atomic import TEMPORARY_PREFIX, atomic_write, remove_leftovers

DAY = 24 * 3600.0


def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    process.wait()
    return process.pid


def test_only_a_dead_writers_files_and_folders_go(tmp_path: Path) -> None:
    dead = dead_process()
    gone = [tmp_path / f"{TEMPORARY_PREFIX}{dead}-0a1b2c3d-a.json", tmp_path / "below" / f"{TEMPORARY_PREFIX}{dead}-x"]
    foreign = tmp_path / f"{TEMPORARY_PREFIX}{dead}-ffffff-0a1b2c3d-b.json"
    old = tmp_path / f"{TEMPORARY_PREFIX}{dead}-ffffff-0a1b2c3d-c.json"
    gone[1].mkdir(parents=True)
    (gone[1] / "inside").write_text("half")
    for path in (gone[0], foreign, old, tmp_path / "mine.json"):
        path.write_text("half")
    os.utime(old, (time.time() - DAY - 60,) * 2)
    with atomic_write(tmp_path / "d.json") as temporary:
        temporary.write_text("whole")
        assert set(remove_leftovers(tmp_path)) == {*gone, old}
        assert temporary.exists()
    assert {path.name for path in tmp_path.iterdir()} == {"below", "mine.json", "d.json", foreign.name}


def test_a_run_removes_them_in_both_of_its_folders(toy_words: dict[str, Any]) -> None:
    name = f"{TEMPORARY_PREFIX}{dead_process()}-0a1b2c3d-a.json"
    places = [toy_words["out"] / "results" / name, toy_words["runs_folder"] / "toy" / "toy-2" / name]
    for path in places:
        path.parent.mkdir(parents=True)
        path.write_text("half")
    erasebench.run(**toy_words | {"method": "original"}, limit=1)
    assert not any(path.exists() for path in places)
