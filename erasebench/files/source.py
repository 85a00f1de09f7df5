"""The version of code: a digest of what its source computes, whatever its place, its imports and its words.

Two sources have one digest where their statements are the same. Left out: import statements, docstrings and every other
bare string, comments, layout, the annotations of functions, the names of modules and files. So a file can be moved or
explained anew, and no result becomes that of another version.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from erasebench.errors import UserError
from erasebench.identity import digest

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_NO_STATEMENT = (ast.Import, ast.ImportFrom, ast.Pass)
_NO_FIELD = frozenset({"ctx", "kind", "type_comment", "type_ignores", "returns"})
"""Fields that say nothing of what is computed, or that only some versions of Python fill."""


def source_digest(modules: Iterable[str | ModuleType]) -> str:
    """SHA-256 (64 hex digits) of what the given modules compute; a package counts with every .py file below it.

    Modules given by name are found, not imported, so no heavy library is loaded. The same on every version of Python.
    UserError for a module that does not exist.
    """
    return digest(sorted(meaning(path.read_text(encoding="utf-8")) for path in _files(modules)))


@lru_cache(maxsize=1024)
def meaning(source: str) -> str:
    """SHA-256 of the statements of `source`; of the text itself where it is no Python."""
    try:
        return digest(_canonical(ast.parse(source)))
    except SyntaxError:
        return digest(source)


def _files(modules: Iterable[str | ModuleType]) -> Iterator[Path]:
    """Each source file once, in no order that matters."""
    found: set[Path] = set()
    for module in modules:
        name = module if isinstance(module, str) else module.__name__
        spec = importlib.util.find_spec(name)
        if spec is None or (spec.origin is None and not spec.submodule_search_locations):
            raise UserError(f"The module {name} was not found.", "Install the package that brings it.")
        for folder in spec.submodule_search_locations or ():
            found |= set(Path(folder).rglob("*.py"))
        if spec.origin is not None and not spec.submodule_search_locations:
            found.add(Path(spec.origin))
    yield from sorted(found)


def _canonical(node: Any, *, in_function: bool = False) -> Any:
    """A node of the syntax tree as JSON-able content: its type and the fields that decide what it computes.

    A class's annotations decide what pydantic accepts, and count; a function's decide nothing.
    """
    if isinstance(node, ast.Constant):
        return [type(node.value).__name__, repr(node.value)]
    if isinstance(node, ast.AST):
        below = isinstance(node, _FUNCTIONS) or (in_function and not isinstance(node, ast.ClassDef))
        ignored = _NO_FIELD | {"annotation"} if below or isinstance(node, ast.arg) else _NO_FIELD
        fields = {
            name: _canonical(value, in_function=below) for name, value in ast.iter_fields(node) if name not in ignored
        }
        return [type(node).__name__, {name: value for name, value in fields.items() if value not in (None, [])}]
    if isinstance(node, list):
        return [_canonical(each, in_function=in_function) for each in node if not _is_silent(each)]
    return node


def _is_silent(node: Any) -> bool:
    """Whether a statement computes nothing: an import, a docstring, `if TYPE_CHECKING:` with nothing else below it."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if isinstance(node, ast.If) and not node.orelse and isinstance(node.test, ast.Name):
        return node.test.id == "TYPE_CHECKING" and all(map(_is_silent, node.body))
    return isinstance(node, _NO_STATEMENT)
