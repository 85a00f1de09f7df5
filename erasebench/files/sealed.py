"""Files that are read back: each has its SHA-256 beside it, so that damage is found, named and made good.

`name.sha256` is written before `name`, so a file that is there has a digest. It also holds the digests that came
before: a kill between the two writes leaves the earlier file, which is whole.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from erasebench.files.atomic import atomic_write
from erasebench.identity import file_digest

log = logging.getLogger(__name__)

SEAL = ".sha256"
DAMAGED = ".damaged"
_REMEMBERED = 3
_DIGEST = re.compile("[0-9a-f]{64}")


@contextmanager
def sealed_write(path: Path) -> Iterator[Path]:
    """As `atomic_write`, with the file's SHA-256 beside it as `path`.sha256, for `whole` to compare with."""
    with atomic_write(path) as temporary:
        yield temporary
        earlier = _sealed(path) if path.exists() else []
        _write_seal(path, [file_digest(temporary), *earlier])


def write_sealed_json(path: Path, value: Any) -> None:
    """Write a JSON-able `value` as `erasebench.files.atomic.write_json` does, with its SHA-256 beside it."""
    with sealed_write(path) as temporary:
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
        temporary.write_bytes(f"{text}\n".encode())


def read_sealed_json(path: Path) -> Any | None:
    """What `write_sealed_json` wrote; None where there is nothing, or what is there was not `whole`."""
    return json.loads(path.read_text(encoding="utf-8")) if whole(path) else None


def whole(path: Path) -> bool:
    """Whether `path` is there and is what was written.

    A file that is not, or has no digest beside it, is named in the log and set aside, so that the caller makes it anew.
    """
    if not path.is_file():
        return False
    if (wrong := damage(path)) is None:
        return True
    log.warning("%s %s: it is set aside as %s and made again.", path, wrong, set_aside(path).name)
    return False


def damage(path: Path) -> str | None:
    """What is wrong with a sealed file, as the end of a sentence; None where it is what was written."""
    try:
        found = file_digest(path)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    known = _sealed(path)
    if found in known:
        return None
    return "was changed after it was written" if known else f"has no digest file {path.name}{SEAL}"


def seal(path: Path) -> None:
    """Put the SHA-256 of a file that is there beside it, as it is now."""
    _write_seal(path, [file_digest(path)])


def is_sealed(path: Path) -> bool:
    """Whether there is a digest beside the file."""
    return _seal_of(path).is_file()


def set_aside(path: Path) -> Path:
    """Rename a damaged file to `path`.damaged (or .damaged-2 and so on), so that it is kept; returns its new path."""
    names = (f"{path.name}{DAMAGED}{number}" for number in ("", *(f"-{n}" for n in range(2, 10**6))))
    target = next(aside for name in names if not (aside := path.with_name(name)).exists())
    path.replace(target)
    _seal_of(path).unlink(missing_ok=True)
    return target


def _seal_of(path: Path) -> Path:
    return path.with_name(path.name + SEAL)


def _write_seal(path: Path, digests: list[str]) -> None:
    # A seal that a power cut tore makes its file count as damaged, so it need not be flushed.
    with atomic_write(_seal_of(path), durable=False) as temporary:
        lines = list(dict.fromkeys(digests))[:_REMEMBERED]
        temporary.write_text("".join(f"{each}\n" for each in lines), encoding="utf-8", newline="\n")


def _sealed(path: Path) -> list[str]:
    try:
        lines = _seal_of(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return [line for line in lines if _DIGEST.fullmatch(line)]
