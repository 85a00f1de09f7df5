"""Where methods, worlds, suites and judges are found by name: entry points, loaded only when asked for.

A package that brings a method declares it in its own pyproject.toml, exactly as erasebench does for its own:

    [project.entry-points."erasebench.methods"]
    mace = "erasebench.methods.mace:Mace"
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property, lru_cache
from importlib.metadata import Distribution, EntryPoint
from pathlib import Path
from typing import Any, Generic, TypeVar

from erasebench.api.class_file import class_in_file
from erasebench.api.entry_points import entry_points
from erasebench.api.names import check_name
from erasebench.errors import UserError, did_you_mean

T = TypeVar("T")
U = TypeVar("U")

log = logging.getLogger(__name__)

OWN = "erasebench"
"""The distribution whose names nobody else can take."""


class Registry(Generic[T]):
    """Names of one noun and what they stand for; nothing is imported before `load`.

    A package whose entry is broken spoils nothing else: only asking for that name is an error.
    """

    def __init__(self, noun: str, group: str, loader: Callable[[EntryPoint], T]) -> None:
        self.noun = noun
        self.group = group
        self._loader = loader
        self._warned: set[str] = set()

    @cached_property
    def _entries(self) -> dict[str, EntryPoint]:
        return {name: claims[0] for name, claims in self._claims.items()}

    @cached_property
    def _claims(self) -> dict[str, list[EntryPoint]]:
        """By name, every package's entry that claims it; erasebench's own counts alone."""
        claims: dict[str, list[EntryPoint]] = {}
        for entry in sorted(entry_points(group=self.group), key=lambda entry: (entry.name, entry.value)):
            claimed = claims.setdefault(entry.name, [])
            if entry.value not in [other.value for other in claimed]:
                claimed.append(entry)
        for name, claimed in claims.items():
            own = [entry for entry in claimed if _distribution(entry)[0] == OWN]
            if own and len(claimed) > 1:
                others = ", ".join(_describe(entry) for entry in claimed if entry not in own)
                self._warn(f"The {self.noun} '{name}' is erasebench's own: {others} is not used under this name.")
                claims[name] = own[:1]
        return claims

    def names(self) -> list[str]:
        """All registered names, sorted."""
        return list(self._entries)

    def aliases(self) -> dict[str, tuple[str, ...]]:
        """Each registered thing once, by its own name, and the other names that it goes by; loads nothing with one.

        One that has several names and does not load counts once for each name.
        """
        by_value: dict[str, list[str]] = {}
        for name, entry in self._entries.items():
            by_value.setdefault(entry.value, []).append(name)
        found: dict[str, tuple[str, ...]] = {}
        for names in by_value.values():
            try:
                own = getattr(self.load(names[0]), "name", None) if len(names) > 1 else None
            except UserError as error:
                self._warn(f"The {self.noun} '{names[0]}' is broken: {' '.join(str(error).split())}")
                found |= dict.fromkeys(names, ())
                continue
            chosen = own if own in names else names[0]
            found[chosen] = tuple(name for name in names if name != chosen)
        return dict(sorted(found.items()))

    def load(self, name: str) -> T:
        """What is registered under `name`. UserError with the nearest name where nothing is, where two packages claim
        the name, and where the package does not hold what it says."""
        entry = self._entry(name)
        if len(claimed := self._claims.get(name, [])) > 1:
            raise UserError(
                f"Two packages register the {self.noun} '{name}': {' and '.join(map(_describe, claimed))}.",
                "Uninstall one of them, or give the path of the one that you want.",
            )
        return self._loader(entry)

    def trouble(self, name: str) -> UserError | None:
        """Why `load` fails for a name; None where it does not."""
        try:
            self.load(name)
        except UserError as error:
            return error
        return None

    def each(self, load: Callable[[str], U]) -> dict[str, U]:
        """`load(name)` of every name; one that is broken is named in a warning, once, and left out."""
        found: dict[str, U] = {}
        for name in self.names():
            try:
                found[name] = load(name)
            except UserError as error:
                self._warn(f"The {self.noun} '{name}' is left out: {' '.join(str(error).split())}")
        return found

    def origin(self, name: str) -> str:
        """'module:object (distribution version)' of a registered name."""
        return _describe(self._entry(name))

    def package(self, name: str) -> tuple[str, str] | None:
        """Name and version of the package that registers a name; None for erasebench itself and where none is known."""
        found = _distribution(self._entry(name))
        return None if found[0] in (OWN, "") else found

    def module(self, name: str) -> str:
        """The module that a registered name is in; loads nothing."""
        return self._entry(name).module

    def is_own(self, name: str) -> bool:
        """Whether erasebench itself registers the name."""
        return self._entry(name).value.startswith(f"{OWN}.") and _distribution(self._entry(name))[0] in (OWN, "")

    def _entry(self, name: str) -> EntryPoint:
        if name not in self._entries:
            raise UserError(f"There is no {self.noun} '{name}'.", did_you_mean(name, self._entries))
        return self._entries[name]

    def _warn(self, what: str) -> None:
        if what not in self._warned:
            self._warned.add(what)
            log.warning("%s", what)


def _describe(entry: EntryPoint) -> str:
    return f"{entry.value} ({' '.join(_distribution(entry))})" if entry.dist else entry.value


def _distribution(entry: EntryPoint) -> tuple[str, str]:
    """Name and version of the package that registers an entry; of one whose metadata is gone, what is known of it."""
    return ("", "") if entry.dist is None else _name_and_version(entry.dist)


@lru_cache  # All of a package's metadata is read for either word, and it has as many entries as methods.
def _name_and_version(package: Distribution) -> tuple[str, str]:
    name, version = "", ""
    with suppress(TypeError, KeyError, OSError, UnicodeDecodeError):
        name, version = package.name, package.version
    if not name or not version:  # some versions of Python raise, others answer None
        return str(getattr(package, "_path", "a package")), "without readable metadata"
    return name, version


def class_of(entry: EntryPoint) -> type:
    with ending_no_program(f"{_describe(entry)} cannot be loaded"):
        loaded = entry.load()
    if not isinstance(loaded, type):
        raise UserError(f"{_describe(entry)} is not a class.", "The entry point must name a class: 'module:Class'.")
    return loaded


def suite_path(entry: EntryPoint) -> Path:
    """'package:name' stands for the file name.yaml in that package."""
    with ending_no_program(f"{_describe(entry)} cannot be found"):
        spec = importlib.util.find_spec(entry.module)
        attribute = entry.attr
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (path := Path(folder) / f"{attribute}.yaml").is_file():
            return path
    raise UserError(f"{_describe(entry)} has no file {attribute}.yaml.", "Install that package again.")


@contextmanager
def ending_no_program(what: str) -> Iterator[None]:
    """Whatever a package's code raises as it is imported is a UserError; only the user's own interruption goes on."""
    try:
        yield
    except (KeyboardInterrupt, UserError):
        raise
    except BaseException as error:
        hint = "Correct or uninstall that package; erasebench doctor shows what is installed."
        raise UserError(f"{what}: {_named(error)}.", hint) from error


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")


def load_class(registry: Registry[type[T]], name: str, base: type) -> type[T]:
    path, _, attribute = name.rpartition(":")
    loaded: Any = class_in_file(Path(path), attribute) if path.endswith(".py") else registry.load(name)
    if not issubclass(loaded, base):
        hint = f"Derive the class from {base.__module__}.{base.__name__}."
        raise UserError(f"{name} is not a {base.__name__}.", hint)
    check_name(registry.noun, str(getattr(loaded, "name", name)))
    return loaded
