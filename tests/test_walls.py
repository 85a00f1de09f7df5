"""The walls of the house, read off the import statements: who may know whom, and that nothing imports upwards."""

from __future__ import annotations

import ast
from functools import lru_cache
from pathlib import Path

import pytest

from erasebench.api.judges import OWN

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "erasebench"
FOLDERS = {"erasebench": PACKAGE, "erasebench.methods": ROOT / "methods"}
GROUND = ("errors", "identity", "cost")
"""Files that lie beside the rooms, below all of them."""
MOST_FLOORS = 10

Modules = dict[str, Path]


@lru_cache
def modules() -> Modules:
    """Every module of the package by its dotted name, methods included."""
    found: Modules = {}
    for prefix, folder in FOLDERS.items():
        for path in folder.rglob("*.py"):
            parts = path.relative_to(folder).with_suffix("").parts
            found[".".join((prefix, *(part for part in parts if part != "__init__")))] = path
    return found


@lru_cache
def imported(module: str) -> frozenset[str]:
    """The modules of ours that one imports, in functions and under TYPE_CHECKING too."""
    path = modules()[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: -(node.level - 1) or None] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            found |= {name if (name := f"{base}.{alias.name}") in modules() else base for alias in node.names}
    return frozenset(found & modules().keys() - {module})


def room(module: str) -> str:
    """The folder that a module lives in; the command line starts in __main__."""
    parts = module.split(".")
    if len(parts) == 1:
        return "(Python API)"
    if parts[1] in GROUND:
        return "(ground)"
    return "cli" if parts[1] == "__main__" else parts[1]


def below(*names: str) -> list[str]:
    """The modules of the given rooms or packages."""
    return [name for name in modules() if any(name == each or name.startswith(f"{each}.") for each in names)]


HARNESS = [name for name in modules() if room(name) not in ("attacks", "methods", "worlds", "segmenters")]
ATTACKS = "erasebench.attacks"
"""Where concrete attacks lie; packages bring theirs."""
CONCRETE = (ATTACKS, "erasebench.methods", "erasebench.suites", "erasebench.worlds", "erasebench.segmenters")
LAB = "erasebench.worlds.miniature.lab"
WALLS: dict[str, tuple[list[str], tuple[str, ...]]] = {
    "the harness imports no concrete method, attack, suite, world or segmenter": (HARNESS, CONCRETE),
    "the contract of an attack knows no runner, store, judge or board": (
        below(ATTACKS, "erasebench.api.attack"),
        (
            *("erasebench.runner", "erasebench.store", "erasebench.judges", "erasebench.board", "erasebench.cli"),
            *("erasebench.suite", "erasebench.scoring", "erasebench.tuning", "erasebench.results.record"),
            "erasebench.prompts",
        ),
    ),
    "a method imports no runner, store, judge, board, suite or world": (
        below("erasebench.methods"),
        (
            *("erasebench.runner", "erasebench.store", "erasebench.judges", "erasebench.board", "erasebench.cli"),
            *("erasebench.worlds", "erasebench.segmenters", "erasebench.suite", "erasebench.scoring"),
            *("erasebench.tuning", "erasebench.results.record", "erasebench.prompts"),
        ),
    ),
    "a judge knows no method, runner, store, board, sampler or world": (
        below("erasebench.judges"),
        (
            *("erasebench.methods", "erasebench.runner", "erasebench.store", "erasebench.diffusion"),
            *("erasebench.worlds", "erasebench.board", "erasebench.suite", "erasebench.results"),
        ),
    ),
    "the board reads results alone, and judges nothing": (
        below("erasebench.board"),
        (
            *("erasebench.runner", "erasebench.store", "erasebench.judges", "erasebench.methods"),
            *("erasebench.worlds", "erasebench.diffusion", "erasebench.scoring", "erasebench.suite"),
            *("erasebench.prompts", "erasebench.tuning"),
        ),
    ),
    "the runner knows no tuning": (below("erasebench.runner"), ("erasebench.tuning",)),
    "a segmenter knows no world": (below("erasebench.segmenters"), ("erasebench.worlds",)),
    "a record knows no board": (below("erasebench.results"), ("erasebench.board",)),
    "nothing but the lab imports the lab": ([name for name in modules() if name not in below(LAB)], (LAB,)),
}


@pytest.mark.parametrize("wall", list(WALLS))
def test_a_wall_stands(wall: str) -> None:
    inside, forbidden = WALLS[wall]
    assert inside
    outside = below(*forbidden)
    breaches = [f"{name} imports {each}" for name in inside for each in sorted(imported(name)) if each in outside]
    assert breaches == []


NAME_JUDGES = ("erasebench.judges", "erasebench.worlds", "erasebench.api.judges")
"""What may name a judge: the judges, the worlds that bring them, and the one table of their names."""
OTHER_WORDS = {
    ("erasebench.results.schema_1", "face-id"): "the name that a judge of schema 1 has now",
    ("erasebench.runner.packages", "nudenet"): "a package whose version records keep",
}
"""Strings that are spelt as a judge's name and mean something else."""


def test_no_judge_is_named_outside_of_judges_and_worlds() -> None:
    named = {
        (name, node.value)
        for name in modules()
        if name not in below(*NAME_JUDGES) and room(name) != "methods"
        for node in ast.walk(ast.parse(modules()[name].read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in OWN
    }
    assert named == set(OTHER_WORDS)


def test_no_two_modules_import_each_other() -> None:
    assert circles({name: set(imported(name)) for name in modules()}) == []


def test_the_rooms_stand_on_floors_and_nothing_is_imported_upwards(capsys: pytest.CaptureFixture[str]) -> None:
    rooms: dict[str, set[str]] = {}
    for name in modules():
        # The methods stand beside the harness: the walls above say what they may import.
        if room(name) != "methods":
            rooms.setdefault(room(name), set()).update(map(room, imported(name)))
    rooms = {each: found - {each, "methods"} for each, found in rooms.items()}
    assert circles(rooms) == []
    floors = floors_of(rooms)
    with capsys.disabled():
        print()
        for floor in range(max(floors.values()) + 1):
            print(f"  level {floor}: {', '.join(sorted(each for each, at in floors.items() if at == floor))}")
    assert max(floors.values()) < MOST_FLOORS


def floors_of(graph: dict[str, set[str]]) -> dict[str, int]:
    """How many rooms at most lie below each."""
    found: dict[str, int] = {}

    def floor(name: str) -> int:
        if name not in found:
            found[name] = 1 + max((floor(each) for each in graph[name]), default=-1)
        return found[name]

    for name in graph:
        floor(name)
    return found


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """A way round for each node that can be reached from itself: what is left when leaves are taken away."""
    left = {name: set(others) for name, others in graph.items()}
    while leaves := [name for name, others in left.items() if not others]:
        for leaf in leaves:
            del left[leaf]
        for others in left.values():
            others.difference_update(leaves)
    # What only leads to a circle is no part of one.
    while roots := [name for name in left if not any(name in others for others in left.values())]:
        for root in roots:
            del left[root]
    return [sorted(left)] if left else []


def test_a_circle_is_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == [["b", "c"]]
    assert circles({"a": {"b"}, "b": set()}) == []
