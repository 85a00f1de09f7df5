"""Which records are shown: of those of one job the newest alone, and none that is shipped and was run here too."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from erasebench.board.groups import comparable, without_repeats
from erasebench.identity import digest
from erasebench.results.record import Record


def same_job(record: Record) -> str:
    """Digest of what was asked for: the command, and what it stood for. Records of one job differ in its code alone.

    A method that is edited and run again gives a second record of the same job; other settings, seeds, devices or
    another model are another job.
    """
    manifest = record.manifest
    asked = [record.command, record.world, record.suite, record.scale, record.size, list(record.concepts)]
    how = [record.method, record.variant, record.partial, manifest.digests.get("model"), manifest.device]
    return digest([*asked, *how, manifest.config.get("method", manifest.config), manifest.seeds, comparable(record)])


def superseded(
    records: Iterable[Record], written: Mapping[str, float] | None = None, yours: Collection[str] = ()
) -> list[Record]:
    """The records that a newer one of the same job stands for; shipped ones are left out of it.

    written: by id, when each was written, in seconds since the epoch. yours: ids of what has just been run, which are
    the newest. A failure takes the place of an older failure alone.
    """
    when = written or {}
    jobs: dict[str, list[Record]] = {}
    for record in records:
        if not record.shipped:
            jobs.setdefault(same_job(record), []).append(record)

    def age(record: Record) -> tuple[Any, ...]:
        return (record.id in yours, when.get(record.id, 0.0), record.id)

    older: list[Record] = []
    for job in jobs.values():
        *before, newest = sorted(job, key=age)
        done = [record for record in before if record.status == "done"]
        # What failed last is said, and what was last done stays in its table.
        kept = done[-1] if newest.status == "failed" and done else newest
        older += [record for record in before if record is not kept]
    return older


def shown(
    records: Iterable[Record], written: Mapping[str, float] | None = None, yours: Collection[str] = ()
) -> list[Record]:
    """The records but for those made with stand-ins, superseded ones, and those shipped that were run here."""
    listed = [record for record in records if not record.stand_ins]
    older = {id(record) for record in superseded(listed, written, yours)}
    return without_repeats(record for record in listed if id(record) not in older)


def written_at(folder: Path, records: Iterable[Record]) -> dict[str, float]:
    """By id, when the file of each record in `folder` was last written or found to be current."""
    return {record.id: (folder / f"{record.id}.json").stat().st_mtime for record in records}
