"""Where methods, worlds and suites are found by name: entry points, loaded only when asked for.

A package that brings a method declares it in its own pyproject.toml, exactly as erasebench does for its own:

    [project.entry-points."erasebench.methods"]
    mace = "erasebench.methods.mace:Mace"
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from erasebench.errors import UserError, did_you_mean
from erasebench.names import check_name

if TYPE_CHECKING:
    from erasebench.method import Method
    from erasebench.sampling_change import SamplingChange
    from erasebench.world import SizeName, World

T = TypeVar("T")

_IN_A_FILE = (
    *(SyntaxError, ImportError, NameError, AttributeError, TypeError, ValueError, LookupError),
    *(ArithmeticError, AssertionError, OSError, RuntimeError),
)
"""What the code at the top of a user's file or package can raise by a mistake in it."""


class Registry(Generic[T]):
    """Names of one noun and what they stand for; nothing is imported before `load`."""

    def __init__(self, noun: str, group: str, loader: Callable[[EntryPoint], T]) -> None:
        self.noun = noun
        self.group = group
        self._loader = loader

    @cached_property
    def _entries(self) -> dict[str, EntryPoint]:
        entries: dict[str, EntryPoint] = {}
        for entry in sorted(entry_points(group=self.group), key=lambda entry: (entry.name, entry.value)):
            other = entries.setdefault(entry.name, entry)
            if other.value != entry.value:
                raise UserError(
                    f"Two packages register the {self.noun} '{entry.name}': {_describe(other)} and {_describe(entry)}.",
                    "Uninstall one of them, or use the one you want by its path.",
                )
        return entries

    def names(self) -> list[str]:
        """All registered names, sorted."""
        return list(self._entries)

    def aliases(self) -> dict[str, tuple[str, ...]]:
        """Each registered thing once, by its own name, and the other names that it goes by; loads nothing with one."""
        by_value: dict[str, list[str]] = {}
        for name, entry in self._entries.items():
            by_value.setdefault(entry.value, []).append(name)
        found: dict[str, tuple[str, ...]] = {}
        for names in by_value.values():
            own = getattr(self.load(names[0]), "name", None) if len(names) > 1 else None
            chosen = own if own in names else names[0]
            found[chosen] = tuple(name for name in names if name != chosen)
        return dict(sorted(found.items()))

    def load(self, name: str) -> T:
        """What is registered under `name`; UserError with the nearest name where nothing is."""
        return self._loader(self._entry(name))

    def origin(self, name: str) -> str:
        """'module:object (distribution version)' of a registered name."""
        return _describe(self._entry(name))

    def _entry(self, name: str) -> EntryPoint:
        if name not in self._entries:
            raise UserError(f"There is no {self.noun} '{name}'.", did_you_mean(name, self._entries))
        return self._entries[name]


def _describe(entry: EntryPoint) -> str:
    return f"{entry.value} ({entry.dist.name} {entry.dist.version})" if entry.dist else entry.value


def _load_class(entry: EntryPoint) -> type:
    try:
        loaded = entry.load()
    except _IN_A_FILE as error:
        what = f"{_describe(entry)} cannot be loaded: {type(error).__name__}: {error}."
        raise UserError(what, "Mend or uninstall that package; doctor says what is installed.") from error
    if not isinstance(loaded, type):
        raise UserError(f"{_describe(entry)} is not a class.", "The entry point has to name a class: 'module:Class'.")
    return loaded


def _suite_path(entry: EntryPoint) -> Path:
    """'package:name' stands for the file name.yaml in that package."""
    spec = importlib.util.find_spec(entry.module)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (path := Path(folder) / f"{entry.attr}.yaml").is_file():
            return path
    raise UserError(f"{_describe(entry)} has no file {entry.attr}.yaml.", "Install that package again.")


METHODS: Registry[type[Method]] = Registry("method", "erasebench.methods", _load_class)
WORLDS: Registry[type[World]] = Registry("world", "erasebench.worlds", _load_class)
SAMPLING_CHANGES: Registry[type[SamplingChange]] = Registry(
    "sampling change", "erasebench.sampling_changes", _load_class
)
SUITES: Registry[Path] = Registry("suite", "erasebench.suites", _suite_path)


def load_method(name: str) -> type[Method]:
    """The method registered under `name`, or the class that 'path/to/file.py:Class' names.

    UserError for an unknown name, a file that is missing, or a class that is no Method.
    """
    from erasebench.method import Method

    return _load(METHODS, name, Method)


def load_world(name: str, model: str | None = None) -> World:
    """The world registered under `name` or named as 'path/to/file.py:Class'; `model`: a hub id or a folder.

    UserError as `load_method`, and for a model that is none or that the world does not take.
    """
    from erasebench.world import World

    return _load(WORLDS, name, World).open(model)


def world_of_size(size: SizeName) -> str:
    """Erasebench's own world whose usual size this is, splits of another world apart: not what somebody installs."""
    return next(name for name, world in own_worlds().items() if world.default_size == size and world.recipes is None)


def own_worlds() -> dict[str, type[World]]:
    """Erasebench's own worlds by name: what somebody installs is loaded only where it is asked for."""
    return {name: WORLDS.load(name) for name in WORLDS.names() if WORLDS.origin(name).startswith("erasebench.")}


def _load(registry: Registry[type[T]], name: str, base: type) -> type[T]:
    path, _, attribute = name.rpartition(":")
    loaded: Any = _class_in_file(Path(path), attribute) if path.endswith(".py") else registry.load(name)
    if not issubclass(loaded, base):
        mend = f"Derive the class from {base.__module__}.{base.__name__}."
        raise UserError(f"{name} is not a {base.__name__}.", mend)
    check_name(registry.noun, str(getattr(loaded, "name", name)))
    return loaded


def _line(error: BaseException, path: Path) -> int:
    """The line of the file that the error came from: the last of its own in the traceback, or of a syntax error."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return error.lineno or 1
    own = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return (own[-1] if own else None) or 1


def _class_in_file(path: Path, attribute: str) -> type:
    if not path.is_file():
        raise UserError(f"There is no file {path}.", "Give the class as path/to/file.py:Class.")
    module_name = f"erasebench_file_{path.stem}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path} is not a Python file.", "Give the class as path/to/file.py:Class.")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and pydantic look their own module up by name while the class body runs.
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except _IN_A_FILE as error:
        del sys.modules[module_name]
        what = error.msg if isinstance(error, SyntaxError) else error
        raise UserError(
            f"{path}, line {_line(error, path)}: {type(error).__name__}: {what}.",
            "Mend that line; python FILE shows the whole traceback.",
        ) from error
    loaded = getattr(module, attribute, None)
    if not isinstance(loaded, type):
        classes = [key for key, value in vars(module).items() if isinstance(value, type)]
        raise UserError(f"{path} has no class {attribute}.", did_you_mean(attribute, classes))
    return loaded
