"""What the repository weighs, and what its tests load: every clone and every run pays for it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LARGE = 200_000
"""Bytes of a file that every clone may have to take."""
LARGE_ALLOWED = ("erasebench/worlds/miniature/weights/", "docs/", "prompts_csv/", "leaderboard/index.html")
WHOLE = 53_000_000
PICTURES = 1_000_000
SUITES = ("celebrity", "explicit", "object", "style")

in_a_clone = pytest.mark.skipif(
    shutil.which("git") is None or not (ROOT / ".git").exists(), reason="this is not a clone, or git is not installed"
)


def sizes() -> dict[str, int]:
    """Bytes of every file that git holds here."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    paths = [path for path in listed.split("\0") if path and (ROOT / path).is_file()]
    return {path: (ROOT / path).stat().st_size for path in paths}


@in_a_clone
def test_no_file_is_large_but_weights_tables_and_pages() -> None:
    large = {path: size for path, size in sizes().items() if size > LARGE and not path.startswith(LARGE_ALLOWED)}
    assert large == {}


@in_a_clone
def test_the_whole_tree_stays_small() -> None:
    assert sum(sizes().values()) < WHOLE


@in_a_clone
def test_the_boards_pictures_are_one_for_each_suite() -> None:
    pictures = {path: size for path, size in sizes().items() if path.startswith("leaderboard/sheets/")}
    assert sorted(Path(path).name.split("-")[1] for path in pictures) == list(SUITES)
    assert sum(pictures.values()) < PICTURES


def test_a_test_that_needs_no_torch_does_not_load_it() -> None:
    code = "import sys, tests.conftest; print(*sorted({'torch', 'diffusers', 'pandas'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
