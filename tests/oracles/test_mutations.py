"""Three changes to each method's arithmetic, each of which the method's oracles must notice (slow: a process each).

A changed sign; a transposed matrix, or two operands swapped where none is square; a dropped term.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from erasebench.testing.oracle import FOLDER_VARIABLE
from tests.oracles.listing import ROOT

PROJECT = ROOT.parents[1]
KINDS = ["sign", "transpose", "dropped term"]
# What a test module needs of the tree, and where an installed package has it. Worlds come without their weights: no
# oracle paints.
PARTS = {
    "erasebench": "erasebench",
    "methods": "erasebench/methods",
    "suites": "erasebench/suites",
    "prompts_csv": "erasebench/prompts_csv",
    "tests": "tests",
    "pyproject.toml": "pyproject.toml",
}


class Mutation(NamedTuple):
    """One change: `before`, which `file` has exactly once, becomes `after`; `item`'s tests must fail."""

    item: str
    kind: str
    file: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.item}-{self.kind.replace(' ', '-')}"


def mutations() -> list[Mutation]:
    """Those beside each item's cases, in mutations.yaml."""
    found = sorted(ROOT.glob("*/mutations.yaml"))
    return [Mutation(file.parent.name, **each) for file in found for each in yaml.safe_load(file.read_text("utf-8"))]


@pytest.mark.parametrize("item", sorted({file.parent.name for file in ROOT.glob("*/*.npz")}))
def test_every_item_has_three_mutations_that_apply(item: str) -> None:
    own = [mutation for mutation in mutations() if mutation.item == item]
    assert [mutation.kind for mutation in own] == KINDS
    for mutation in own:
        assert (PROJECT / mutation.file).read_text(encoding="utf-8").count(mutation.before) == 1, str(mutation)
        assert mutation.after != mutation.before


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree, in which an unchanged run passes and files can be changed."""
    folder = tmp_path_factory.mktemp("mutated")
    ignored = shutil.ignore_patterns("__pycache__", "weights", "*.egg-info")
    for part, place in PARTS.items():
        source = PROJECT / part
        if source.is_dir():
            shutil.copytree(source, folder / place, ignore=ignored)
        else:
            shutil.copy(source, folder / place)
    return folder


def run(folder: Path, item: str) -> subprocess.CompletedProcess[str]:
    """The item's test module in the copy, with its own cases, up to the first failure."""
    module = f"tests/oracles/test_{item.replace('-', '_')}.py"
    environment = {name: value for name, value in os.environ.items() if name != FOLDER_VARIABLE}
    environment |= {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "PYTEST_ADDOPTS": ""}
    command = [sys.executable, "-m", "pytest", "-n0", "-x", "-q", "-p", "no:cacheprovider", module]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("item", sorted({mutation.item for mutation in mutations()}))
def test_an_unchanged_copy_passes(copy: Path, item: str) -> None:
    result = run(copy, item)
    assert result.returncode == 0, result.stdout[-3000:]
    where = subprocess.run(
        [sys.executable, "-c", "import erasebench.methods; print(erasebench.methods.__file__)"],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.startswith(str(copy)), "the copy's own methods are tested"


@pytest.mark.slow
@pytest.mark.parametrize("mutation", mutations(), ids=str)
def test_a_mutation_fails(copy: Path, mutation: Mutation) -> None:
    part = mutation.file.partition("/")[0]
    file = copy / PARTS[part] / mutation.file.partition("/")[2]
    whole = file.read_text(encoding="utf-8")
    file.write_text(whole.replace(mutation.before, mutation.after), encoding="utf-8")
    try:
        result = run(copy, mutation.item)
    finally:
        file.write_text(whole, encoding="utf-8")
    assert result.returncode == 1 and "AssertionError" in result.stdout, result.stdout[-3000:]
