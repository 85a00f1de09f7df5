"""What says of a file or a prompt that it is a stand-in: random or made up, in the format of the real thing.

The mark is in the content, near the beginning or the end of each file: in a safetensors header, in a ZIP archive's
list of members, in a table's first line, in the words of a caption. So it stays where a file is copied, renamed or
packed with others. A file beside it, or a file name, would be lost, and the bytes of random weights depend on the
machine that drew them, so that no digest could be listed here.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

MARK = "erasebench stand-in"
_READ = 64 * 1024
"""Bytes that are looked at, at either end of a file: weights have gigabytes."""


def is_stand_in(path: Path) -> bool:
    """Whether a file says that it is one. False for a file that cannot be read: whoever uses it says so."""
    try:
        with path.open("rb") as handle:
            start = handle.read(_READ)
            handle.seek(max(path.stat().st_size - _READ, 0))
            return MARK.encode() in start or MARK.encode() in handle.read(_READ)
    except OSError:
        return False


def says_so(texts: Iterable[str]) -> bool:
    """Whether any of these prompts or captions says that it is one."""
    return any(MARK in text for text in texts)
