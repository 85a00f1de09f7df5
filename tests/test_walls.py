"""The walls of the house, read off the import statements: who may know whom."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CONCRETE = [ROOT / "erasebench" / part for part in ("worlds", "segmenters")]
HARNESS = [
    path for path in (ROOT / "erasebench").rglob("*.py") if not any(path.is_relative_to(part) for part in CONCRETE)
]
WALLS = {
    "the harness imports no concrete method, suite or world": (
        HARNESS,
        ("erasebench.methods", "erasebench.suites", "erasebench.worlds", "erasebench.segmenters"),
    ),
    "a method imports no runner, store, judge, board or world": (
        (ROOT / "methods").rglob("*.py"),
        (
            *(
                "erasebench.runner",
                "erasebench.store.run_folder",
                "erasebench.store.images",
                "erasebench.store.judgements",
            ),
            *("erasebench.judges", "erasebench.board", "erasebench.worlds", "erasebench.cli", "erasebench.suite.suite"),
            *("erasebench.segmenters", "erasebench.results.record"),
        ),
    ),
    "a judge knows no method, runner or store": (
        (ROOT / "erasebench" / "judges").rglob("*.py"),
        (
            "erasebench.methods",
            "erasebench.runner",
            "erasebench.store.run_folder",
            "erasebench.diffusion.sampling",
            "erasebench.worlds",
        ),
    ),
    "the board reads records and the published table alone": (
        (ROOT / "erasebench" / "board").rglob("*.py"),
        (
            *(
                "erasebench.runner",
                "erasebench.store.run_folder",
                "erasebench.store.images",
                "erasebench.store.judgements",
            ),
            *("erasebench.judges", "erasebench.methods", "erasebench.worlds", "erasebench.diffusion.sampling"),
        ),
    ),
}


def imported(path: Path) -> set[str]:
    """Every module that a file imports, in functions and under TYPE_CHECKING too; relative ones stay in the folder."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize("wall", list(WALLS))
def test_a_wall_stands(wall: str) -> None:
    files, forbidden = list(WALLS[wall][0]), WALLS[wall][1]
    assert files
    breaches = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files
        for name in sorted(imported(path))
        if any(name == wrong or name.startswith(f"{wrong}.") for wrong in forbidden)
    ]
    assert breaches == []
