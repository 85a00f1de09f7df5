"""The version of code follows what it computes, and nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from erasebench.errors import UserError
from erasebench.files.source import meaning, source_digest

SOURCE = '''"""What it is."""
import torch
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from some.place import Task

class Config(Base):
    """Its settings."""

    steps: int = 5
    """How many."""

def loss(x: Tensor, weight: float = 2.0) -> Tensor:
    # Twice as much.
    half: Tensor = x / 2
    return weight * half
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("What it is.", "What it is not."),
        ('"""How many."""', ""),
        ("# Twice as much.", "# As much again."),
        ("import torch\n", "import torch\nfrom another.place import torch as unused\n"),
        ("some.place import Task", "another.place import Task, Concept"),
        ("x: Tensor, weight: float = 2.0) -> Tensor", "x, weight=2.0)"),
        ("half: Tensor = x / 2", "half = (x\n            / 2)"),
    ],
    ids=[
        "docstring",
        "attribute-docstring",
        "comment",
        "import",
        "type-checking",
        "annotations",
        "layout-and-local-annotation",
    ],
)
def test_what_computes_nothing_changes_no_version(old: str, new: str) -> None:
    assert old in SOURCE
    assert meaning(SOURCE.replace(old, new)) == meaning(SOURCE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x / 2", "x / 3"),
        ("x / 2", "x * 2"),
        ("x / 2", "2 / x"),
        ("weight: float = 2.0", "weight: float = 2"),
        ("steps: int = 5", "steps: float = 5"),
        ("return weight * half", "half = half + 1\n    return weight * half"),
        ("Config(Base)", "Config(Other)"),
    ],
)
def test_what_computes_something_changes_the_version(old: str, new: str) -> None:
    assert old in SOURCE
    assert meaning(SOURCE.replace(old, new)) != meaning(SOURCE)


def test_a_name_that_an_import_renames_counts_as_what_it_stands_for() -> None:
    one, other = (f"from solvers import {name} as solve\nx = solve(1)\n" for name in ("exact", "fast"))
    assert meaning(one) != meaning(other)
    assert meaning(one) == meaning("from moved.solvers import exact\nx = exact(1)\n")


def test_the_digest_of_a_source_is_the_same_on_every_python() -> None:
    assert (
        meaning("def f(x):\n    return f'{x!r:>{8}} of {x + 1}'\n")
        == "7858c8a6e9ac302e76b974214b56dad55dd0a588c96422d262ac3c55eb04746b"
    )


def test_a_package_counts_wherever_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("some_method", "moved_method"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("")
    (tmp_path / "some_method" / "part.py").write_text("x = 1\n")
    (tmp_path / "moved_method" / "renamed.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    before = source_digest(["some_method"])
    assert source_digest(["moved_method"]) == before
    (tmp_path / "some_method" / "README.md").write_text("words\n")
    assert source_digest(["some_method"]) == before
    (tmp_path / "some_method" / "part.py").write_text("x = 2\n")
    assert source_digest(["some_method"]) != before
    assert "some_method.part" not in sys.modules


def test_a_module_that_is_not_there_is_named() -> None:
    with pytest.raises(UserError, match="no_such_module"):
        source_digest(["no_such_module"])
