"""Entry points of every installed package, those of packages whose own metadata is broken apart."""

from __future__ import annotations

import logging
from functools import lru_cache
from importlib.metadata import Distribution, EntryPoint, distributions

log = logging.getLogger(__name__)

_DAMAGE = (OSError, UnicodeDecodeError, AttributeError, LookupError, TypeError, ValueError)
"""What reading a torn entry_points.txt raises in importlib."""


def entry_points(*, group: str) -> list[EntryPoint]:
    """The entries of `group`, the first of two installations of one package as Python itself does.

    A package whose entry points cannot be read is named in a warning, once, and left out.
    """
    found: list[EntryPoint] = []
    seen: set[str] = set()
    for distribution in distributions():
        try:
            entries = [entry for entry in distribution.entry_points if entry.group == group]
            name = _folder(distribution).partition("-")[0].lower()
            found += entries if name not in seen else []
            seen.add(name)
        except _DAMAGE as error:
            _warn(_folder(distribution), f"{type(error).__name__}: {error}")
    return found


def _folder(distribution: Distribution) -> str:
    path = getattr(distribution, "_path", None)
    return "a package" if path is None else str(path.name)


@lru_cache
def _warn(folder: str, why: str) -> None:
    log.warning("The entry points of %s cannot be read (%s): the package's plug-ins are left out.", folder, why)
