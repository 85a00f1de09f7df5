"""Reading the JSON of a record that somebody else may have written: bounded, strict, and always answered by name."""

from __future__ import annotations

import json
import math
import stat
from pathlib import Path
from typing import Any

from erasebench.errors import UserError

LARGEST = 16_000_000
"""Bytes of a record's file; one of a hundred concepts has 50,000."""
DEEPEST = 32
"""Nested objects and lists; a record has seven."""

HINT = "Restore it (for example from version control) or remove it and run again."


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in `path`, a regular file of at most LARGEST bytes.

    UserError, naming the file, for links, folders and devices, for what cannot be read or is too large, and for what is
    not valid JSON (RFC 8259): NaN and infinity, a key that is there twice, deep nesting, text that is not UTF-8.
    """
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            raise UserError(f"{path} is {_kind(status.st_mode)}, not a file.", "Remove it, or put the file there.")
        if status.st_size > LARGEST:
            raise unreadable(path, f"has {status.st_size / 1e6:,.0f} MB; a record has less than {LARGEST / 1e6:.0f} MB")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.", "Restore the file, or remove it.") from error
    except ValueError as error:
        raise unreadable(path, "is not valid JSON (it is not UTF-8 text)") from error
    try:
        content = json.loads(text, object_pairs_hook=_unique, parse_constant=_refused, parse_float=_finite)
        _check_depth(content)
    except (ValueError, RecursionError) as error:
        raise unreadable(path, f"is not valid JSON ({error})") from error
    if not isinstance(content, dict):
        raise unreadable(path, "is not an erasebench record: it has no schema_version")
    return content


def unreadable(path: Path, what: str) -> UserError:
    """The error for a file that is there and holds no record."""
    return UserError(f"{path} {what}.", HINT)


def _kind(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "a symbolic link"
    return "a folder" if stat.S_ISDIR(mode) else "a device or pipe"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice[:80]!a} is given twice")
    return found


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is not a valid number in JSON")


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text[:40]} is too large")
    return number


def _check_depth(content: Any) -> None:
    level, depth = [content], 0
    while level:
        if (depth := depth + 1) > DEEPEST:
            raise ValueError(f"nested more than {DEEPEST} levels deep")
        inner = [list(part.values()) if isinstance(part, dict) else part for part in level]
        level = [value for values in inner if isinstance(values, list) for value in values]
