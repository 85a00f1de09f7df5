"""What git leaves alone: what a run writes at the top of the clone, and nothing that belongs to the project."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LEFT_ALONE = ("results/README.md", "results/results/x.json", "runs/miniature/x.json", ".venv/x", "erasebench/x.tmp")
OURS = ("erasebench", "methods", "suites", "prompts_csv", "leaderboard", "tests", "docs")

pytestmark = pytest.mark.skipif(
    shutil.which("git") is None or not (ROOT / ".git").exists(), reason="this is not a clone, or git is not installed"
)


def ignored(*paths: str) -> set[str]:
    asked = ["git", "check-ignore", "--no-index", "--stdin"]
    found = subprocess.run(asked, cwd=ROOT, input="\n".join(paths), text=True, capture_output=True, check=False)
    assert found.returncode in (0, 1), found.stderr
    return set(found.stdout.splitlines())


def test_what_a_run_writes_is_left_alone() -> None:
    assert ignored(*LEFT_ALONE) == set(LEFT_ALONE)


def test_no_file_of_the_project_is_ignored() -> None:
    files = [path for folder in OURS for path in (ROOT / folder).rglob("*") if path.is_file()]
    kept = [path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts]
    assert len(kept) > 500
    assert ignored(*kept) == set()


def test_folders_called_results_or_runs_further_down_are_not_ignored() -> None:
    further = ("leaderboard/results/x.json", "erasebench/results/x.py", "erasebench/runs/x.py", "tests/runs/x.py")
    assert ignored(*further) == set()
