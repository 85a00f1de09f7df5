"""The files of a folder of images: links followed, nothing left out without a word."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm")
UNREAD_SUFFIXES = (
    *(".gif", ".apng", ".avif", ".avifs", ".heic", ".heif", ".jxl", ".jp2", ".j2k", ".jpx", ".jpf", ".pbm", ".pnm"),
    *(".tga", ".psd", ".ico", ".svg", ".exr", ".hdr", ".dds", ".qoi", ".pcx", ".npy"),
)
"""Pictures that no judge reads: they are counted and named."""

HIDDEN, BROKEN_LINK, NOT_A_FILE = "hidden", "broken-link", "not-a-file"
LINKED_TWICE, NOT_READABLE = "linked-twice", "not-readable"


class LeftOut(NamedTuple):
    """A file or folder that is not looked at, and the outcome that says why."""

    path: Path
    outcome: str


class Files(NamedTuple):
    """The files below a folder, sorted, under the names by which they are reached; and what is left out."""

    files: tuple[Path, ...]
    left_out: tuple[LeftOut, ...]


def files_below(folder: Path) -> Files:
    """Every file below `folder`, those in linked folders too; each real folder once, so that links may go in circles.

    Left out and named: files whose own name or whose folder's begins with a dot, broken links, what is no file (a
    pipe), folders that may not be read, and links to a folder that is there already or that holds `folder` itself.
    """
    files: list[Path] = []
    left: list[LeftOut] = []
    seen: set[str] = set()
    pending = [folder]
    top = os.path.realpath(folder)
    for start in pending:
        real = os.path.realpath(start)
        if start != folder and (real in seen or Path(top).is_relative_to(real)):
            left.append(LeftOut(start, LINKED_TWICE))
            continue
        for place, folders, names in os.walk(start, onerror=lambda error: left.append(_not_read(error))):
            here = Path(place)
            seen.add(os.path.realpath(here))
            pending += [here / name for name in sorted(folders) if (here / name).is_symlink()]
            inner = [name for name in folders if not (here / name).is_symlink()]
            folders[:] = sorted(name for name in inner if os.path.realpath(here / name) not in seen)
            for path in (here / name for name in names):
                outcome = _outcome(path, folder)
                files.append(path) if outcome is None else left.append(LeftOut(path, outcome))
    return Files(tuple(sorted(files)), tuple(sorted(left)))


def _not_read(error: OSError) -> LeftOut:
    return LeftOut(Path(error.filename), NOT_READABLE)


def _outcome(path: Path, root: Path) -> str | None:
    if any(part.startswith(".") for part in path.relative_to(root).parts):
        return HIDDEN
    if path.is_file():
        return None
    return BROKEN_LINK if path.is_symlink() else NOT_A_FILE
