"""The version of code: a digest of what its source computes, whatever its place, its imports and its explanations.

Two sources have one digest where their statements are the same. Left out: import statements, docstrings and every other
bare string, comments, layout, annotations in functions, the names of modules and files. So a file can be moved or
explained anew, and no result becomes that of another version. A name that an import renames counts as what it stands
for. Strings that the code uses, such as messages, count.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterable, Iterator, Mapping
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

    Modules given by name are found; only the packages above them are imported. The same on every version of Python.
    UserError for a module that does not exist.
    """
    return digest(sorted(meaning(path.read_text(encoding="utf-8")) for path in _files(modules)))


@lru_cache(maxsize=1024)
def meaning(source: str) -> str:
    """SHA-256 of the statements of `source`; of the text itself where it is no Python."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return digest(source)
    return digest(_Canonical(_renamed(tree)).of(tree))


def _renamed(tree: ast.AST) -> dict[str, str]:
    """What each name that an import renames stands for: {'solve': 'transfer_matrix'}."""
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    aliases = [alias for node in imports for alias in node.names if alias.asname]
    return {str(alias.asname): alias.name.rpartition(".")[2] for alias in aliases}


def _files(modules: Iterable[str | ModuleType]) -> Iterator[Path]:
    """Each source file once, in no order that matters."""
    found: set[Path] = set()
    for module in modules:
        name = module if isinstance(module, str) else module.__name__
        spec = importlib.util.find_spec(name)
        if spec is None or (spec.origin is None and not spec.submodule_search_locations):
            raise UserError(f"The module {name} was not found.", "Install the package that contains it.")
        for folder in spec.submodule_search_locations or ():
            found |= set(Path(folder).rglob("*.py"))
        if spec.origin is not None and not spec.submodule_search_locations:
            found.add(Path(spec.origin))
    yield from sorted(found)


class _Canonical:
    """A syntax tree as JSON-able content: of each node its type and the fields that decide what it computes."""

    def __init__(self, renamed: Mapping[str, str]) -> None:
        self.renamed = renamed

    def of(self, node: Any, *, in_function: bool = False) -> Any:
        """A class's annotations decide what pydantic accepts, and count; a function's decide nothing."""
        if isinstance(node, ast.Constant):
            return [type(node.value).__name__, repr(node.value)]
        if isinstance(node, ast.Name):
            return ["Name", self.renamed.get(node.id, node.id)]
        if isinstance(node, ast.AnnAssign) and in_function and node.value is not None:
            node = ast.Assign(targets=[node.target], value=node.value)
        if isinstance(node, ast.AST):
            return self._node(node, in_function)
        if isinstance(node, list):
            return [self.of(each, in_function=in_function) for each in node if not _is_silent(each)]
        return node

    def _node(self, node: ast.AST, in_function: bool) -> Any:
        below = isinstance(node, _FUNCTIONS) or (in_function and not isinstance(node, ast.ClassDef))
        ignored = _NO_FIELD | {"annotation"} if below or isinstance(node, ast.arg) else _NO_FIELD
        fields = {
            name: self.of(value, in_function=below) for name, value in ast.iter_fields(node) if name not in ignored
        }
        return [type(node).__name__, {name: value for name, value in fields.items() if value not in (None, [])}]


def _is_silent(node: Any) -> bool:
    """Whether a statement computes nothing: an import, a docstring, `if TYPE_CHECKING:` with nothing else below it."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if isinstance(node, ast.If) and not node.orelse and isinstance(node.test, ast.Name | ast.Attribute):
        asked = node.test.id if isinstance(node.test, ast.Name) else node.test.attr
        return asked == "TYPE_CHECKING" and all(map(_is_silent, node.body))
    return isinstance(node, _NO_STATEMENT)
