"""Whose source decides what a method computes: its own, and that of the methods it builds on, found in its imports."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path

METHODS = "erasebench.methods"


def method_sources(module: str) -> tuple[str, ...]:
    """The modules and packages to digest for a method that is defined in `module`, its own first.

    A package counts as a whole. Imports from erasebench.methods are followed, so RECE changes when UCE does. Nothing
    is imported but the packages above; a file loaded by path is found in sys.modules.
    """
    package = module.rpartition(".")[0]
    found = [package if package not in ("", METHODS) else module]
    for name in found:
        found += sorted(_methods_imported_by(name) - set(found))
    return tuple(found)


def _methods_imported_by(name: str) -> set[str]:
    prefix = f"{METHODS}."
    imported = {target for path, package in _files(name) for target in _imports(path, package)}
    inside = {target.removeprefix(prefix) for target in imported if target.startswith(prefix)}
    children = {prefix + target.partition(".")[0] for target in inside}
    return {child for child in children if importlib.util.find_spec(child)}


def _files(name: str) -> Iterator[tuple[Path, str]]:
    """Each source file of a module or package, with the package that its relative imports start from."""
    spec = importlib.util.find_spec(name)
    if spec is None:
        return
    for folder in map(Path, spec.submodule_search_locations or ()):
        for path in sorted(folder.rglob("*.py")):
            yield path, ".".join((name, *path.relative_to(folder).parent.parts))
    if spec.origin is not None and not spec.submodule_search_locations:
        yield Path(spec.origin), name.rpartition(".")[0]


def _imports(path: Path, package: str) -> Iterator[str]:
    """Every name that a file imports, absolute: 'a.b' and 'a.b.c' for `from a.b import c`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package or None)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
