"""Digests of weight files: by content, remembered by size and time of change so that asking again is cheap."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from erasebench.atomic import write_json
from erasebench.errors import UserError
from erasebench.identity import digest, file_digest


def cache_folder() -> Path:
    """The user's cache of erasebench: $ERASEBENCH_CACHE, else $XDG_CACHE_HOME/erasebench, else ~/.cache/erasebench."""
    if chosen := os.environ.get("ERASEBENCH_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "erasebench"


def files_digest(files: Iterable[Path], root: Path) -> str:
    """SHA-256 over the contents of `files`, named relative to `root`: the same files elsewhere digest the same.

    A file's own digest is remembered in the user's cache under its path, size and time of change.
    """
    store = cache_folder() / "digests.json"
    remembered = _read(store)
    fresh: dict[str, str] = {}
    contents: dict[str, str] = {}
    for path in sorted(files):
        status = path.stat()
        key = f"{path.resolve()}|{status.st_size}|{status.st_mtime_ns}|{status.st_ino}"
        known = remembered.get(key)
        contents[path.relative_to(root).as_posix()] = known or fresh.setdefault(key, file_digest(path))
    if fresh:
        # A cache that cannot be written costs time, never a result.
        with suppress(OSError, UserError):
            write_json(store, remembered | fresh)
    return digest(contents)


def _read(store: Path) -> dict[str, str]:
    try:
        content = json.loads(store.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return {}
    return content if isinstance(content, dict) else {}
