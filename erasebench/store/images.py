"""Images by the digest of everything that decides them, with a ledger that says what each file has to hold."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from erasebench.cost import Cost
from erasebench.errors import UserError
from erasebench.files.atomic import atomic_write
from erasebench.identity import digest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

log = logging.getLogger(__name__)

_CHECK, _CHECK_DIGITS = "check", 8
"""A ledger line's digest of its other fields: its key, and how many hex digits of it are kept."""
_KNOWN = "damaged lines"
"""Key of a ledger line that lists, by SHA-256, damaged ones that the log has named already."""


@contextmanager
def full_disk_named(folder: Path) -> Iterator[None]:
    """Turn 'no space left on device' inside the block into a UserError that names `folder`."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        what = f"The disk is full: writing to {folder} stopped. Finished images are kept."
        raise UserError(
            what, "Free some space and run the same command again: it continues where it stopped."
        ) from error


class Entry(NamedTuple):
    """What the ledger says of an image: size in bytes and sha256 (None where the model gave NaN), and what it cost."""

    size: int | None
    sha256: str | None
    seconds: float = 0.0
    peak_memory_bytes: int | None = None


def _checked(line: bytes) -> dict[str, Any]:
    """A line's fields. ValueError where they are not what was written."""
    row = json.loads(line)
    if row.pop(_CHECK, None) not in (None, digest(row)[:_CHECK_DIGITS]):
        raise ValueError("the line's own digest differs")
    return row  # type: ignore[no-any-return]


class ImageStore:
    """The images of one edited model, each under the digest of everything that decides it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = folder / "ledger.jsonl"
        self._named: list[str] = []

    def path(self, image: str) -> Path:
        """Where the image of this digest lies."""
        return self.folder / f"{image}.png"

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """The ledger, in which each line carries a digest of itself (an earlier erasebench's has none).

        Lines that were torn by a kill or changed since are named in the log: their images count as never recorded.
        """
        if not self.ledger.exists():
            return {}
        found: dict[str, Entry] = {}
        damaged: dict[str, int] = {}
        for number, line in enumerate(self.ledger.read_bytes().splitlines(), start=1):
            try:
                row = _checked(line) if line else {}
                if _KNOWN in row:
                    for known in row[_KNOWN]:
                        damaged.pop(known, None)
                elif row:
                    image = row.pop("image")
                    found[image] = Entry(**row)
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                damaged[hashlib.sha256(line).hexdigest()] = number
        if damaged:
            numbers = list(damaged.values())
            lines = ", ".join(map(str, numbers[:5])) + (f" and {len(numbers) - 5} more" if len(numbers) > 5 else "")
            log.warning("%s: line %s was changed after it was written: its image is made again.", self.ledger, lines)
        self._named = list(damaged)
        return found

    def put(self, image: str, pixels: NDArray[np.uint8] | None, cost: Cost) -> None:
        """Store one image as PNG, then its line in the ledger. None: the model gave numbers that are no image."""
        import PIL.Image

        entry = Entry(None, None, *cost)
        if pixels is not None:
            buffer = io.BytesIO()
            PIL.Image.fromarray(pixels).save(buffer, "PNG")
            content = buffer.getvalue()
            self._write(image, content)
            entry = Entry(len(content), hashlib.sha256(content).hexdigest(), *cost)
        self.entries[image] = entry
        if self._named:
            # The ledger is only ever added to, since several processes may write it: so what was named stays, noted.
            self._append({_KNOWN: self._named})
            self._named = []
        self._append({"image": image, **entry._asdict()})

    def _write(self, image: str, content: bytes) -> None:
        # The ledger's sha256 finds a file that a power cut tore, and a thousand small images need not wait for a
        # thousand flushes.
        with atomic_write(self.path(image), durable=False) as temporary:
            temporary.write_bytes(content)

    def _append(self, row: dict[str, Any]) -> None:
        with full_disk_named(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.ledger, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                # The leading line end closes a line that a kill may have torn; the one write keeps two runs apart.
                checked = {**row, _CHECK: digest(row)[:_CHECK_DIGITS]}
                os.write(handle, f"\n{json.dumps(checked)}\n".encode())
            finally:
                os.close(handle)

    def missing(self, images: Iterable[str]) -> list[str]:
        """Those of `images` that have to be made: never recorded, or gone."""
        return [image for image in images if not self._present(image)]

    def _present(self, image: str) -> bool:
        entry = self.entries.get(image)
        return entry is not None and (entry.sha256 is None or self.path(image).is_file())

    def corrupted(self, images: Iterable[str], *, whole_at: float = 0.0) -> list[str]:
        """Those of `images` whose file is there but is not what was written.

        `whole_at`: when all were whole, in seconds since the epoch. A file of the right size that was not written to
        since is not read again: those of a full-size job are gigabytes.
        """
        there = (image for image in images if self.path(image).is_file())
        return [image for image in there if not self._untouched(image, whole_at) and self._read(image) is None]

    def _untouched(self, image: str, whole_at: float) -> bool:
        entry, now = self.entries.get(image), self.path(image).stat()
        return entry is not None and now.st_size == entry.size and now.st_mtime < whole_at

    def set_aside(self, image: str) -> Path:
        """Move an image's file out of the way, keeping it, and forget its entry; returns where it went."""
        aside = self.folder / "set-aside"
        aside.mkdir(exist_ok=True)
        target = next(path for n in range(10**6) if not (path := aside / f"{image}-{n}.png").exists())
        self.path(image).replace(target)
        self.entries.pop(image, None)
        return target

    def load(self, image: str) -> Image | NDArray[np.float32]:
        """The RGB image; an array of NaN where the model gave none. UserError for a file that was changed."""
        import numpy as np
        import PIL.Image

        if self.entries.get(image, Entry(0, "")).sha256 is None:
            return np.full((1, 1, 3), np.nan, dtype=np.float32)
        content = self._read(image)
        if content is None:
            what = f"{self.path(image)} is missing or was changed after it was written."
            raise UserError(what, "Run the same command again: the image is made again, the rest is kept.")
        return PIL.Image.open(io.BytesIO(content)).convert("RGB")

    def _read(self, image: str) -> bytes | None:
        entry, path = self.entries.get(image), self.path(image)
        if entry is None or not path.is_file():
            return None
        content = path.read_bytes()
        return content if hashlib.sha256(content).hexdigest() == entry.sha256 else None
