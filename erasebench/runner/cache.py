"""Finished jobs: known by the digest of their request, answered without torch, copied to a leaderboard's folder."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from erasebench.console.scrubbing import scrubbed, scrubbed_content
from erasebench.errors import UserError
from erasebench.files.atomic import atomic_write, write_bytes
from erasebench.files.sealed import damage, seal, set_aside, write_sealed_json
from erasebench.results.record import Record
from erasebench.runner.attack_columns import table_under
from erasebench.runner.command import command_of
from erasebench.runner.job import Job
from erasebench.store.images import ImageStore

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

_DAMAGE = (OSError, ValueError, KeyError, TypeError, RecursionError)
"""What reading a torn or edited file can raise; pydantic's and json's errors are ValueErrors."""

VECTORS = ("features",)
"""Columns of judges that hold a vector for each image: they stay with the judgements."""


class Kept(NamedTuple):
    """A finished file: the edit's digest, where the images are from here, the record, and the images under attacks."""

    erasure: str
    images: str
    record: Record
    attacked: tuple[str, ...] = ()


def finished(job: Job) -> Record | None:
    """The record of a job that is done and whose images are all whole; None where there is anything to do.

    What is damaged is named in the log and set aside, and the job is done again: all that it rests on is still there.
    """
    if not all(path.is_file() for path in (*_beside(job), job.finished_file)):
        return None
    for path in (*_beside(job), job.finished_file):
        if (wrong := damage(path)) is not None:
            aside = set_aside(path).name
            log.warning("%s %s: set aside as %s, and %s counts as not finished.", path, wrong, aside, job.label)
            return None
    try:
        kept = _read(job.finished_file)
    except _DAMAGE as error:
        log.warning("%s is damaged (%s): %s counts as not finished.", job.finished_file, _first_line(error), job.label)
        return None
    store = ImageStore(Path(os.path.normpath(job.finished_file.parent / kept.images)))
    images = [*job.image_digests(kept.erasure).values(), *kept.attacked]
    if store.missing(images) or store.corrupted(images, whole_at=job.finished_file.stat().st_mtime):
        return None
    return _shown_as_asked(kept.record, job)


def _shown_as_asked(record: Record, job: Job) -> Record:
    """The record under the label and with the table's words of now: they decide no result, so nothing is made anew."""
    record = record.model_copy(update={"table": table_under(job.suite.table, job.attacks, record.metrics)})
    if record.label == job.chosen.label:
        return record
    config = {**record.manifest.config, "method": scrubbed_content(job.chosen.config.model_dump(mode="json"))}
    manifest = record.manifest.model_copy(update={"config": config})
    return record.model_copy(
        update={"label": job.chosen.label, "manifest": manifest, "command": scrubbed(command_of(job))}
    )


def _read(path: Path) -> Kept:
    content = json.loads(path.read_text(encoding="utf-8"))
    attacked = tuple(map(str, content.get("attacked", ())))
    return Kept(str(content["erasure"]), str(content["images"]), Record.model_validate(content["record"]), attacked)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0] or type(error).__name__


def finish(job: Job, record: Record, erasure: str, images: ImageStore, attacked: Iterable[str] = ()) -> None:
    """Mark a job as done: the last thing that is written. `erasure` is the digest of the edit, `attacked` are those of
    the images of attacks' prompts.
    """
    relative = os.path.relpath(images.folder, job.finished_file.parent)
    for path in _beside(job):
        seal(path)
    content = {"erasure": erasure, "images": relative, "record": record.model_dump(mode="json")}
    under = sorted(set(attacked))
    write_sealed_json(job.finished_file, content | ({"attacked": under} if under else {}))


def _beside(job: Job) -> tuple[Path, ...]:
    """What is kept of a finished job beside its finished file."""
    attacks = [each.name for each in job.attacks if job.table.of_group(each.group).rows]
    return judged_file(job), listing_of(job), *(listing_of(job, attack) for attack in attacks), sheet_of(job)


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


def listing_of(job: Job, attack: str | None = None) -> Path:
    """Where the list of a job's images is kept beside its finished file; of an attack's prompts a list of its own."""
    return job.finished_file.with_suffix(".csv" if attack is None else f".under-{attack}.csv")


def publish(out: Path, record: Record, kept: Path | None = None) -> bool:
    """Bring a leaderboard's folder in line with a record and its contact sheet, `kept`; whether anything was new there.

    The sheet goes first, so that a record that is there has its sheet; either is made good where it is missing or
    differs. A failure never takes the place of the same job's result, nor a shipped record that of one made here; one
    erasing never that of several which gave the same edit.
    """
    target, sheet = out / "results" / f"{record.id}.json", out / "sheets" / f"{record.id}.png"
    present = record_in(target)
    if present is not None:
        record = _with_repeats_of(present, record)
    changed = present != record
    keeps = record.shipped or (present is not None and (record.status, present.status) == ("failed", "done"))
    if present is not None and changed and keeps and not present.shipped:
        return False
    if record.status == "done" and kept is not None and kept.is_file():
        content = kept.read_bytes()
        if not sheet.is_file() or sheet.read_bytes() != content:
            write_bytes(sheet, content)
            changed = True
    if present != record:
        record.write(target.parent)
    else:
        # Of several records of one job the one that was written or confirmed last is shown.
        os.utime(target)
    return changed


def _with_repeats_of(present: Record, record: Record) -> Record:
    """The record with the repeats of the one that lies there, where both are of one edit and it has none of its own."""
    if not present.repeats or record.repeats or record.status != "done" or present.identity != record.identity:
        return record
    command = f"{record.command} --repeats {len(present.repeats)}"
    return record.model_copy(update={"repeats": present.repeats, "command": command})


def record_in(path: Path) -> Record | None:
    """The record that lies there; a file that holds none is named in the log and counts as nothing."""
    if not path.exists():
        return None
    try:
        return Record.read(path)
    except UserError as error:
        log.warning("%s It is made again.", error.what)
        return None
