"""Finished jobs: known by the digest of their request, answered without torch, copied to a leaderboard's folder."""

from __future__ import annotations

import json
import os
from pathlib import Path

from erasebench.atomic import write_bytes, write_json
from erasebench.image_store import ImageStore
from erasebench.record import Record
from erasebench.runner.job import Job


def finished(job: Job) -> Record | None:
    """The record of a job that is done and whose images are all whole; None where there is anything to do."""
    if not job.finished_file.exists():
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


def sheet_of(job: Job) -> Path:
    """Where a job's contact sheet is kept beside its finished file."""
    return job.finished_file.with_suffix(".png")


def publish(job: Job, record: Record) -> bool:
    """Copy record and contact sheet to the leaderboard's folder; whether anything was new there.

    A failure never takes the place of the same job's result.
    """
    out = job.request.out
    target, sheet, kept = out / "results" / f"{record.id}.json", out / "sheets" / f"{record.id}.png", sheet_of(job)
    present = json.loads(target.read_text(encoding="utf-8")) if target.exists() else {}
    if present == record.model_dump(mode="json") or (record.status == "failed" and present.get("status") == "done"):
        return False
    record.write(target.parent)
    if record.status == "done" and kept.exists():
        write_bytes(sheet, kept.read_bytes())
    return True
