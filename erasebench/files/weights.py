"""Weight files: where they are kept, and their digests, remembered by size and time of change."""

from __future__ import annotations

import json
import logging
import os
import re
import socket
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

from erasebench.errors import UserError
from erasebench.files.atomic import write_json
from erasebench.files.file_names import readable
from erasebench.identity import digest, file_digest

log = logging.getLogger(__name__)

_DIGEST = re.compile("[0-9a-f]{64}")


def cache_folder() -> Path:
    """The user's cache of erasebench: $ERASEBENCH_CACHE, else $XDG_CACHE_HOME/erasebench, else ~/.cache/erasebench."""
    if chosen := os.environ.get("ERASEBENCH_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "erasebench"


WEIGHT_FILES = (".safetensors", ".ckpt")
"""How the name of a model that is one file ends."""


def looks_local(name: str) -> bool:
    """Whether a name means a folder or a file rather than a hub id ('owner/name')."""
    path = Path(name).expanduser()
    if path.suffix in WEIGHT_FILES:
        return True
    return path.exists() or path.is_absolute() or name.startswith((".", "~")) or name.count("/") != 1


def weights_folder() -> Path:
    """Where the weights that erasebench does not ship are looked for: judges', segmenters'."""
    return cache_folder().absolute() / "weights"


def hub_file(repository: str, name: str) -> Path | None:
    """A file of the hub's local cache; None where it is not there. Nothing is downloaded."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repository, name)
    return Path(found) if isinstance(found, str) else None


def check_reachable(endpoint: str) -> None:
    """OSError at once where the hub cannot be reached; the hub's own client would try again for minutes."""
    address = urlsplit(endpoint)
    if address.hostname and not getproxies():
        socket.create_connection((address.hostname, address.port or 443), timeout=5).close()


def files_digest(files: Iterable[Path], root: Path) -> str:
    """SHA-256 over the contents of `files`, named relative to `root`: the same files elsewhere digest the same."""
    digests = file_digests(files)
    return digest({path.relative_to(root).as_posix(): content for path, content in digests.items()})


def file_digests(files: Iterable[Path]) -> dict[Path, str]:
    """SHA-256 of each file's bytes, remembered in the user's cache under its path, size and time of change."""
    store = cache_folder() / "digests.json"
    remembered = _read(store)
    fresh: dict[str, str] = {}
    contents: dict[Path, str] = {}
    for path in sorted(files):
        status = path.stat()
        key = f"{readable(str(path.resolve()))}|{status.st_size}|{status.st_mtime_ns}|{status.st_ino}"
        known = remembered.get(key)
        contents[path] = known or fresh.get(key) or fresh.setdefault(key, file_digest(path))
    if fresh:
        # A cache that cannot be written costs time, never a result.
        with suppress(OSError, UserError):
            write_json(store, {f"{key}|{_check(key, sha)}": sha for key, sha in (remembered | fresh).items()})
    return contents


def _read(store: Path) -> dict[str, str]:
    """What is remembered; nothing where the cache is absent or damaged, for it can always be made again.

    Each entry's key ends with a check of the entry: several processes write the file, so no digest can lie beside it.
    """
    try:
        content = json.loads(store.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError):
        content = None
    found: dict[str, str] = {}
    for stored, sha in content.items() if isinstance(content, dict) else ():
        key, _, check = stored.rpartition("|")
        if isinstance(sha, str) and _DIGEST.fullmatch(sha) and _check(key, sha) == check:
            found[key] = sha
    if not isinstance(content, dict) or len(found) < len(content):
        log.warning(
            "%s has entries that were changed after they were written: they are left out and made again.", store
        )
    return found


def _check(key: str, sha: str) -> str:
    return digest([key, sha])[:8]
