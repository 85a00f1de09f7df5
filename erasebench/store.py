"""Where a run keeps what it made. A name holds the digest of everything that decided the content; nothing is trusted
before its own record says that it is whole.

    runs/<world>/<suite>-<scale>/<method>-<id>/      one erasure: run.json, erasure/, scratch/, judgements/, lock
    runs/<world>/<suite>-<scale>/finished/           of each finished job: record, list of images, contact sheet
    runs/<world>/images/<method>-<erasure>/          its images, by digest, with ledger.jsonl (size and sha256 of each)

Images stand outside the run since suites and scales share them: the unedited model paints a prompt once.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from erasebench.atomic import atomic_write, write_bytes
from erasebench.cost import Cost
from erasebench.errors import UserError
from erasebench.identity import digest

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray
    from PIL.Image import Image

SHORT = 8
"""Hex digits of a digest in a folder's name."""


@contextmanager
def full_disk_named(folder: Path) -> Iterator[None]:
    """Turn 'no space left on device' inside the block into a UserError that names `folder`."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        what = f"The disk is full: writing to {folder} stopped. What was finished before is kept."
        raise UserError(what, "Free some space and run the same command again: it goes on where it stopped.") from error


class Entry(NamedTuple):
    """What the ledger says of an image: size in bytes and sha256 (None where the model gave NaN), and what it cost."""

    size: int | None
    sha256: str | None
    seconds: float = 0.0
    peak_memory_bytes: int | None = None


class ImageStore:
    """The images of one edited model, each under the digest of everything that decides it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = folder / "ledger.jsonl"

    def path(self, image: str) -> Path:
        """Where the image of this digest lies."""
        return self.folder / f"{image}.png"

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """The ledger; a line torn by a kill is an image that was not yet recorded."""
        found: dict[str, Entry] = {}
        if self.ledger.exists():
            for line in self.ledger.read_text(encoding="utf-8", errors="replace").splitlines():
                try:
                    row = json.loads(line)
                    image = row.pop("image")
                    found[image] = Entry(**row)
                except (ValueError, KeyError, TypeError, AttributeError):
                    continue
        return found

    def put(self, image: str, pixels: NDArray[np.uint8] | None, cost: Cost) -> None:
        """Store one image as PNG, then its line in the ledger. None: the model gave numbers that are no image."""
        import PIL.Image

        entry = Entry(None, None, *cost)
        if pixels is not None:
            buffer = io.BytesIO()
            PIL.Image.fromarray(pixels).save(buffer, "PNG")
            content = buffer.getvalue()
            write_bytes(self.path(image), content)
            entry = Entry(len(content), hashlib.sha256(content).hexdigest(), *cost)
        self.entries[image] = entry
        self._append({"image": image, **entry._asdict()})

    def _append(self, row: dict[str, Any]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with full_disk_named(self.folder):
            handle = os.open(self.ledger, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                # The leading line end closes a line that a kill may have torn; the one write keeps two runs apart.
                os.write(handle, f"\n{json.dumps(row)}\n".encode())
            finally:
                os.close(handle)

    def missing(self, images: Iterable[str]) -> list[str]:
        """Those of `images` that have to be made: never recorded, or gone."""
        return [image for image in images if not self._present(image)]

    def _present(self, image: str) -> bool:
        entry = self.entries.get(image)
        return entry is not None and (entry.sha256 is None or self.path(image).is_file())

    def corrupted(self, images: Iterable[str]) -> list[str]:
        """Those of `images` whose file is there but is not what was written."""
        return [image for image in images if self.path(image).is_file() and self._read(image) is None]

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
            what = f"{self.path(image)} is missing or not what was written."
            raise UserError(what, "Run the same command again: the image is made anew, the rest is kept.")
        return PIL.Image.open(io.BytesIO(content)).convert("RGB")

    def _read(self, image: str) -> bytes | None:
        entry, path = self.entries.get(image), self.path(image)
        if entry is None or not path.is_file():
            return None
        content = path.read_bytes()
        return content if hashlib.sha256(content).hexdigest() == entry.sha256 else None


class JudgementStore:
    """The rows of one judge with one identity: parquet files, each written once, found again by row key."""

    _KEY, _SECONDS, _PEAK = "key", "seconds", "peak_memory_bytes"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, keys: Sequence[str], rows: pd.DataFrame, cost: Cost) -> None:
        """Store the judged rows of `keys`, in order, and what judging them cost."""
        frame = rows.reset_index(drop=True)
        frame[self._KEY] = list(keys)
        frame[self._SECONDS] = cost.seconds / len(keys)
        frame[self._PEAK] = cost.peak_memory_bytes
        with atomic_write(self.folder / f"{digest(list(keys))[:16]}.parquet") as temporary:
            frame.to_parquet(temporary)

    def read(self) -> pd.DataFrame | None:
        """All rows, indexed by key; None where there are none yet. UserError for a file that is no parquet."""
        import pandas as pd

        parts = []
        for path in sorted(self.folder.glob("[0-9a-f]*.parquet")):
            try:
                parts.append(pd.read_parquet(path))
            except (OSError, ValueError) as error:
                what = f"{path} cannot be read ({error})."
                raise UserError(what, "Remove that file and run again: its rows are judged anew.") from error
        return pd.concat(parts, ignore_index=True).drop_duplicates(self._KEY).set_index(self._KEY) if parts else None

    def of(self, keys: Sequence[str], index: Sequence[int]) -> tuple[pd.DataFrame, Cost]:
        """The rows of `keys` under `index`, and what judging them cost. KeyError where one was never judged."""
        frame = self.read()
        if frame is None:
            raise KeyError(keys[0])
        rows = frame.loc[list(keys)].set_axis(list(index), axis=0)
        peaks = rows[self._PEAK].dropna()
        cost = Cost(float(rows[self._SECONDS].sum()), None if peaks.empty else int(peaks.max()))
        return rows.drop(columns=[self._SECONDS, self._PEAK]), cost


class BusyError(UserError):
    """Another process works in the folder."""


class RunFolder:
    """The folder of one erasure and everything that was measured on it."""

    def __init__(self, runs: Path, world: str, suite: str, scale: int | str, method: str, identity: str) -> None:
        self.world_folder = runs / world
        self.method = method
        self.path = self.world_folder / f"{suite}-{scale}" / f"{method}-{identity[:SHORT]}"

    @property
    def erasure(self) -> Path:
        return self.path / "erasure"

    @property
    def scratch(self) -> Path:
        return self.path / "scratch"

    def images(self, erasure_digest: str, method: str | None = None) -> ImageStore:
        """The images of the edited model; of another method's where `method` is given."""
        return ImageStore(self.world_folder / "images" / f"{method or self.method}-{erasure_digest[:SHORT]}")

    def judgements(self, judge: str, identity: str) -> JudgementStore:
        """The rows of one judge with this identity."""
        return JudgementStore(self.path / "judgements" / f"{judge}-{identity[:SHORT]}")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process; BusyError, naming the process that holds it. A dead one's lock is taken."""
        self.path.mkdir(parents=True, exist_ok=True)
        lock = self.path / "lock"
        with full_disk_named(self.path), lock.open("a+", encoding="utf-8") as handle:
            _lock(handle.fileno(), lock, self.path)
            handle.truncate(0)
            handle.write(str(os.getpid()))
            handle.flush()
            yield
            handle.truncate(0)


def _lock(descriptor: int, lock: Path, folder: Path) -> None:
    # The kernel drops the lock with its process, however it dies, so a lock is never stale.
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = lock.read_text(encoding="utf-8") or "unknown"
        what = f"Another run (process {holder}) is working in {folder}."
        raise BusyError(what, "Wait until it is done and run this again: what it made is then used.") from error
