"""Where a run keeps what it made. A name holds the digest of everything that decided the content; nothing is trusted
before its own record says that it is whole.

    runs/<world>/<suite>-<scale>/<method>-<id>/      one erasure: run.json, erasure/, scratch/, attacks/, judgements/
    runs/<world>/<suite>-<scale>/finished/           of each finished job: record, list of images, contact sheet
    runs/<world>/images/<method>-<erasure>/          its images, by digest, with ledger.jsonl (size and sha256 of each)

Images stand outside the run since suites and scales share them: the unedited model samples a prompt once.
"""

from __future__ import annotations

import errno
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from erasebench.errors import UserError
from erasebench.files.atomic import write_text
from erasebench.store.images import ImageStore, full_disk_named
from erasebench.store.judgements import JudgementStore

log = logging.getLogger(__name__)

_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}
"""What a file system without locks answers: Lustre mounted without flock, NFS without its lock service."""

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

    def attack(self, attack: str, identity: str) -> Path:
        """The folder of one attack with this identity on the edited model."""
        return self.path / "attacks" / f"{attack}-{identity[:SHORT]}"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process; BusyError, naming the process that holds it. A dead one's lock is taken."""
        self.path.mkdir(parents=True, exist_ok=True)
        holder = self.path / "lock"
        with full_disk_named(self.path), _locked(self.path, holder):
            write_text(holder, str(os.getpid()))
            yield
            write_text(holder, "")


@contextmanager
def _locked(folder: Path, holder: Path) -> Iterator[None]:
    # The system drops the lock with its process, however it dies, so a lock is never stale. Who holds it is written
    # into a file of its own: on Windows nobody else can read a locked one.
    from filelock import FileLock, Timeout

    lock = FileLock(folder / "lock.held", timeout=0, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout as error:
        what = f"Another run (process {_holder(holder)}) is working in {folder}."
        raise BusyError(
            what, "Wait until it has finished and run this command again: it then uses those results."
        ) from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        _warn_of_no_locks(error.strerror)
        yield
        return
    try:
        yield
    finally:
        lock.release()


def _holder(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8") or "unknown"
    except OSError:
        return "unknown"


@cache
def _warn_of_no_locks(why: str) -> None:
    log.warning(
        "The file system of the runs' folder has no file locks (%s), so two runs could write to the same folder. "
        "Do not run the same job twice at the same time, or give a --runs-folder on a local disk.",
        why,
    )
