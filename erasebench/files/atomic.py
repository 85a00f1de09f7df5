"""The one way this package writes a file or folder whole: under a temporary name beside it, flushed, then renamed.

A reader therefore sees the old file or the new one, never half of one; a killed process leaves at most a temporary
file, whose name `is_temporary` knows and every reader leaves alone. Two things are written otherwise: lines are
appended to logs and ledgers, whose readers skip a torn one; and the trainer's picture cache is mapped into memory, and
counts once its labels are there.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

from erasebench.errors import UserError

TEMPORARY_PREFIX = ".writing-"
_TEMPORARY_NAME = re.compile(rf"{re.escape(TEMPORARY_PREFIX)}(?P<process>\d{{1,9}})-(?:(?P<host>[0-9a-f]{{6}})-)?")
"""The writing process and its machine; an earlier erasebench named no machine."""
_LEFT_OVER_SECONDS = 24 * 3600.0

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
_NO_PERMISSION = {errno.EACCES, errno.EPERM, errno.EROFS}
_NO_PLACE = {errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENOENT, errno.ENAMETOOLONG, errno.ENOTEMPTY}


class atomic_write:  # noqa: N801 - reads as a function in a with statement
    """`with atomic_write(path) as temporary:` gives a new path in the same folder (made if missing) to write to.

    On leaving the block the temporary file is flushed and takes the name `path`, replacing what was there. If the block
    raises, the temporary file is removed and `path` stays as it was. The temporary name ends as `path` does, so that
    libraries that look at the suffix (Pillow, pandas) work. `durable=False` leaves the flush to the system, for many
    small files whose readers check a digest: after a power cut one of them may be torn.
    Raises: UserError where the disk is full or the folder may not be written to or cannot be there; others as raised.
    """

    def __init__(self, path: Path | str, *, durable: bool = True) -> None:
        self.path = Path(path)
        self._durable = durable
        self._temporary = _beside(self.path)

    def __enter__(self) -> Path:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            _raise_named(self.path, error)
            raise
        return self._temporary

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                if self._durable:
                    _flush(self._temporary)
                os.replace(self._temporary, self.path)
                if self._durable:
                    _flush_folder(self.path.parent)
        except OSError as failure:
            _raise_named(self.path, failure)
            raise
        finally:
            with suppress(OSError):
                self._temporary.unlink()
        if error is not None:
            _raise_named(self.path, error)


@contextmanager
def atomic_folder(path: Path | str) -> Iterator[Path]:
    """`with atomic_folder(path) as temporary:` gives a new, empty folder beside `path` to fill.

    On leaving the block its files are flushed and it takes the name `path`; the folder that was there goes as a whole,
    and only then. If the block raises, `path` stays as it was. A kill between the two renames leaves no folder `path`,
    and both the old and the new one, whole, beside it.
    Raises: as `atomic_write`.
    """
    # A link stays one: the folder that it leads to is replaced. The folder '.' has a name only when resolved.
    path = Path(path).resolve()
    temporary, earlier = _beside(path), _beside(path)
    try:
        temporary.mkdir(parents=True)
        yield temporary
        for file in sorted(temporary.rglob("*")):
            if file.is_file():
                _flush(file)
        if path.exists():
            os.replace(path, earlier)
        try:
            os.replace(temporary, path)
        except OSError:
            if earlier.exists():
                os.replace(earlier, path)
            raise
        _flush_folder(path.parent)
    except BaseException as error:
        shutil.rmtree(temporary, ignore_errors=True)
        _raise_named(path, error)
        raise
    shutil.rmtree(earlier, ignore_errors=True)


def write_bytes(path: Path | str, data: bytes) -> None:
    """Write `data` to `path` atomically."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path | str, text: str) -> None:
    """Write `text` to `path` atomically, as UTF-8 with the line ends it has."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path | str, value: Any) -> None:
    """Write a JSON-able `value` to `path` atomically: two spaces of indent, keys in their own order, NaN refused."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def is_temporary(path: Path) -> bool:
    """Whether `path` is what a killed writer left behind: no reader takes it for a file of ours."""
    return path.name.startswith(TEMPORARY_PREFIX)


def remove_leftovers(folder: Path, *, below: bool = True) -> list[Path]:
    """Remove the temporary files and folders that killed writers left in `folder` (and `below` it); returns them.

    One is left over where its writer, a process of this machine, is gone; one of another machine's after a day.
    """
    removed = []
    for place, folders, files in os.walk(folder):
        for name in [*files, *folders]:
            if name.startswith(TEMPORARY_PREFIX) and _is_left_over(path := Path(place) / name):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    with suppress(OSError):
                        path.unlink()
                removed.append(path)
        if not below:
            break
    return removed


def _is_left_over(path: Path) -> bool:
    found = _TEMPORARY_NAME.match(path.name)
    try:
        old = time.time() - path.lstat().st_mtime > _LEFT_OVER_SECONDS
    except OSError:
        return False  # gone meanwhile: its writer is done
    here = found is not None and found["host"] in (None, _host())
    return old or (found is not None and here and not _is_alive(int(found["process"])))


def _is_alive(process: int) -> bool:
    if os.name == "nt":
        import psutil

        return bool(psutil.pid_exists(process))
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # it is there, and another user's
    return True


@cache
def _host() -> str:
    return hashlib.sha256(platform.node().encode()).hexdigest()[:6]


def _beside(path: Path) -> Path:
    return path.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{_host()}-{secrets.token_hex(4)}-{path.name}")


def _flush(path: Path) -> None:
    # Windows flushes only what is open for writing.
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flush_folder(folder: Path) -> None:
    # The rename itself is durable only once the folder is; Windows can neither open nor flush one.
    if os.name == "posix":
        _flush(folder)


def check_writable(folder: Path) -> None:
    """UserError where `folder`, which may be missing, cannot be there or be written to; leaves nothing behind."""
    # Permissions alone do not tell (read-only disks, root): a file is really made there.
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise UserError(f"{folder} cannot be written to: {error.strerror}.", "Give another folder.") from error
    finally:
        for path in made:
            with suppress(OSError):
                path.rmdir()


def _concerns(path: Path, error: OSError) -> bool:
    """Whether an error names `path`, a folder that it is to lie in, or what is written beside it."""
    named = [Path(str(name)) for name in (error.filename, error.filename2) if name is not None]
    places = (path, *path.parents)
    return any(name in places for name in named) or any(
        is_temporary(name) and name.parent in places and error.errno != errno.ENOENT for name in named
    )


def _raise_named(path: Path, error: BaseException) -> None:
    """Raise the UserError that says what kept `path` from being written, if the user can change that."""
    code = error.errno if isinstance(error, OSError) else None
    # safetensors and torch report a full disk in words only.
    if code in _NO_SPACE or "No space left on device" in str(error):
        raise UserError(
            f"The disk is full: {path} could not be written. Existing files are unchanged.",
            "Free some space (or choose another folder) and run the same command again: it continues where it stopped.",
        ) from error
    if code in _NO_PERMISSION:
        raise UserError(
            f"There is no permission to write {path}: {error}.",
            "Choose a folder that you may write to.",
        ) from error
    if code in _NO_PLACE and isinstance(error, OSError) and _concerns(path, error):
        raise UserError(
            f"{path} cannot be written: {error}.",
            "Give another path: a folder that exists or can be created, not a file.",
        ) from error
