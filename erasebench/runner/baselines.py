"""Shipped baselines beside a run's own records: which fit, which do not and why."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from erasebench.api.method import load_method
from erasebench.board.build import read_records
from erasebench.board.groups import comparable, standing, title_of
from erasebench.board.shipped import fitting
from erasebench.identity import digest
from erasebench.results.record import AVERAGE, UNEDITED, Record
from erasebench.runner.cache import publish
from erasebench.runner.job import Job
from erasebench.runner.request import Request, version_of

log = logging.getLogger(__name__)


def show_shipped(request: Request, records: Sequence[Record], shipped: Sequence[Record]) -> tuple[list[Record], bool]:
    """Copy the shipped records that fit the run's tables to its leaderboard; these, and whether anything changed there.

    For every baseline that no shipped record fits, the log says where and why, and what makes it.
    """
    wanted = request.shown_beside
    tables: dict[str, list[Record]] = {}
    for record in records:
        if record.status == "done":
            tables.setdefault(digest(comparable(record)), []).append(record)
    if not wanted or not tables:
        return [], False
    fit: list[Record] = []
    lacking: dict[tuple[str, str], list[str]] = {}
    for record, *others in tables.values():
        run = {each.method for each in (record, *others) if each.variant == "default"}
        for method in (name for name in wanted if name not in run):
            found = fitting(record, method, shipped)
            if isinstance(found, Record):
                fit.append(found)
            else:
                lacking.setdefault((f"{record.suite}, {title_of(record)}", found), []).append(method)
    for (table, why), methods in lacking.items():
        whose = ", ".join(methods)
        log.info("Table %s has no shipped row of %s: %s. --baselines run measures them here.", table, whose, why)
    for record in fit:
        if record.method_version != version_of(load_method(record.method)):
            log.info(
                "%s is shown from a shipped record of another version of its source. --baselines run measures it here.",
                record.method,
            )
    removed = [_remove_others(request.out / "results", record) for record in fit]
    return fit, any([*removed, *[publish(request.out, record) for record in fit]])


def may_be_shown(jobs: Iterable[Job], shipped: Sequence[Record]) -> list[tuple[Job, ...]]:
    """The jobs of the unedited model whose place shipped records seem to take, those of one suite together.

    As far as can be told before anything is loaded: `are_shown` is sure, once records stand in the same tables. Of runs
    that are averaged all are shown, with their average, or none.
    """
    suites: dict[str, list[Job]] = {}
    for job in jobs:
        if job.chosen.name == UNEDITED and UNEDITED in job.request.shown_beside:
            suites.setdefault(job.suite_asked, []).append(job)
    return [
        tuple(own) for own in suites.values() if _averaged(own, shipped) and all(_fits(job, shipped) for job in own)
    ]


def are_shown(jobs: Iterable[Job], done: Collection[Record], shipped: Sequence[Record]) -> bool:
    """Whether shipped records take the place of all these jobs, of the unedited model, beside those done."""
    return all(_is_shown(job, done, shipped) for job in jobs)


def _averaged(jobs: Sequence[Job], shipped: Sequence[Record]) -> bool:
    """Whether the average of these jobs is shipped as well, where they have one."""
    first, names = jobs[0], tuple(job.selection.erased[0] for job in jobs)
    if len(jobs) == 1 or first.suite.average_table is None:
        return True
    place = (UNEDITED, first.world.name, first.suite.name, AVERAGE, names)
    return any((each.method, each.world, each.suite, each.scale, each.concepts) == place for each in shipped)


def _fits(job: Job, shipped: Sequence[Record]) -> bool:
    if job.attacks:
        return False
    place = (UNEDITED, job.world.name, job.suite.name)
    theirs = [record for record in shipped if (record.method, record.world, record.suite) == place]
    if not theirs:
        return False
    known = {
        "scale": job.selection.scale,
        "size": job.size,
        "partial": job.request.limit is not None,
        "concepts": digest(list(job.selection.erased)),
        **{f"{name} digest": value for name, value in job.fixed_digests.items()},
        **job.profile.ranked,
        **job.sampling_fields,
    }
    return any(known.items() <= comparable(record).items() for record in theirs)


def _is_shown(job: Job, done: Collection[Record], shipped: Sequence[Record]) -> bool:
    beside = [record for record in done if (record.suite, record.concepts) == (job.suite.name, job.selection.erased)]
    return bool(beside) and all(isinstance(fitting(record, UNEDITED, shipped), Record) for record in beside)


def _remove_others(folder: Path, shown: Record) -> bool:
    """Remove shipped records that an earlier erasebench put where `shown` belongs; whether there were any."""
    if not any(folder.glob("*.json")):
        return False
    others = [r for r in read_records(folder)[0] if r.shipped and r.id != shown.id and standing(r) == standing(shown)]
    for record in others:
        (folder / f"{record.id}.json").unlink()
    return bool(others)
