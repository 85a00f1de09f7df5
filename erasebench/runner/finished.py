"""Finished jobs: known by the digest of their request, answered without torch, copied to a leaderboard's folder."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from erasebench.atomic import atomic_write, write_bytes, write_json
from erasebench.image_store import ImageStore
from erasebench.record import Record
from erasebench.runner.job import Job

if TYPE_CHECKING:
    import pandas as pd

VECTORS = ("features",)
"""Columns of judges that hold a vector for each image: they stay with the judgements."""


def finished(job: Job) -> Record | None:
    """The record of a job that is done and whose images are all whole; None where there is anything to do."""
    if not (job.finished_file.exists() and judged_file(job).exists()):
        return None
    kept = json.loads(job.finished_file.read_text(encoding="utf-8"))
    store = ImageStore(job.finished_file.parent / kept["images"])
    images = job.image_digests(kept["erasure"]).values()
    if store.missing(images) or store.corrupted(images):
        return None
    return Record.model_validate(kept["record"])


def finish(job: Job, record: Record, erasure: str, images: ImageStore) -> None:
    """Mark a job as done: the last thing that is written. `erasure` is the digest of the edit."""
    relative = os.path.relpath(images.folder, job.finished_file.parent)
    kept = {"erasure": erasure, "images": relative, "record": record.model_dump(mode="json")}
    write_json(job.finished_file, kept)


def judged_file(job: Job) -> Path:
    """Where a job's prompt rows with what every judge said of them are kept, beside its finished file."""
    return job.finished_file.with_suffix(".parquet")


def keep_judged(job: Job, judged: Mapping[str, pd.DataFrame]) -> None:
    """Write the prompt table joined with each judge's columns, as '<judge> <column>'; missing where it read nothing."""
    frame = job.table.frame()
    for judge, rows in judged.items():
        frame = frame.join(rows.drop(columns=[*VECTORS], errors="ignore").add_prefix(f"{judge} "))
    with atomic_write(judged_file(job)) as temporary:
        frame.to_parquet(temporary)


def read_judged(job: Job, judge: str) -> pd.DataFrame | None:
    """The prompt rows that a judge read, with its own columns; None where it read none."""
    import pandas as pd

    frame = pd.read_parquet(judged_file(job))
    prefix = f"{judge} "
    if f"{prefix}outcome" not in frame:
        return None
    own = frame[[column for column in map(str, frame.columns) if column.startswith(prefix)]]
    kept = frame[["row", "group", "concept", "prompt", "seed"]].join(
        own.rename(columns=lambda c: c.removeprefix(prefix))
    )
    return kept[kept["outcome"].notna()]


def sheet_of(job: Job) -> Path:
    """Where a job's contact sheet is kept beside its finished file."""
    return job.finished_file.with_suffix(".png")


def publish(out: Path, record: Record, kept: Path | None = None) -> bool:
    """Copy a record and its contact sheet, `kept`, to the leaderboard's folder; whether anything was new there.

    A failure never takes the place of the same job's result, nor a shipped record that of one that was made here.
    """
    target, sheet = out / "results" / f"{record.id}.json", out / "sheets" / f"{record.id}.png"
    present = json.loads(target.read_text(encoding="utf-8")) if target.exists() else {}
    own = bool(present) and not present.get("shipped", False)
    kept_out = own and (record.shipped or (record.status == "failed" and present["status"] == "done"))
    if kept_out or present == record.model_dump(mode="json"):
        return False
    record.write(target.parent)
    if record.status == "done" and kept is not None and kept.exists():
        write_bytes(sheet, kept.read_bytes())
    return True
