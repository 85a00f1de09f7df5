"""Where a run keeps what it made. A name holds the digest of everything that decided the content; nothing is trusted
before its own record says that it is whole.

    runs/<world>/<suite>-<scale>/<method>-<id>/      one erasure: run.json, erasure/, scratch/, judgements/, lock
    runs/<world>/<suite>-<scale>/finished/           of each finished job: record, list of images, contact sheet
    runs/<world>/images/<method>-<erasure>/          its images, by digest, with ledger.jsonl (size and sha256 of each)

Images stand outside the run since suites and scales share them: the unedited model paints a prompt once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from erasebench.errors import UserError
from erasebench.image_store import ImageStore, full_disk_named
from erasebench.judgement_store import JudgementStore

SHORT = 8
"""Hex digits of a digest in a folder's name."""


def run_name(suite: str, scale: int | str) -> str:
    """'celebrity-10', 'object-cat': readable and fit for a folder; identities tell runs apart."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", f"{suite}-{scale}").strip("-.")


class BusyError(UserError):
    """Another process works in the folder."""


class RunFolder:
    """The folder of one erasure and everything that was measured on it."""

    def __init__(self, runs: Path, world: str, suite: str, scale: int | str, method: str, identity: str) -> None:
        self.world_folder = runs / world
        self.method = method
        self.path = self.world_folder / run_name(suite, scale) / f"{method}-{identity[:SHORT]}"

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
