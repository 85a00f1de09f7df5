"""Runs of one method under several of its own seeds, taken together into one record: mean, spread, interval."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

from erasebench.identity import digest
from erasebench.record import UNEDITED, Figure, Manifest, Record, Repeat, Stage
from erasebench.runner.average import merged_manifest
from erasebench.runner.job import Job

log = logging.getLogger(__name__)


def is_repeated(job: Job) -> bool:
    """Whether the job is one of several erasings; the unedited model erases nothing."""
    return job.request.repeats > 1 and job.chosen.name != UNEDITED


def sets_of_repeats(jobs: Iterable[Job]) -> list[tuple[Job, ...]]:
    """The repeated jobs, those together that differ in the method's seed alone, by rising seed."""
    sets: dict[tuple[str, ...], list[Job]] = {}
    for job in filter(is_repeated, jobs):
        key = (job.suite_asked, str(job.selection.scale), job.chosen.asked, *job.selection.erased)
        sets.setdefault(key, []).append(job)
    return [tuple(own) for own in sets.values()]


def taken_together(label: str, by_seed: Mapping[int, Record | None]) -> list[Record]:
    """One record of all erasings, the method's seeds ascending; where one failed, the others' own, and that is said.

    Where every seed gave the same edit it is the first run's record, which says so: there is no luck of training.
    """
    done = {seed: record for seed, record in by_seed.items() if record is not None}
    if failed := [str(seed) for seed in by_seed if seed not in done]:
        log.warning("%s: no mean over seeds, since seed %s failed; the others stand alone.", label, ", ".join(failed))
        return list(done.values())
    records = list(done.values())
    first = records[0]
    repeats = tuple(
        Repeat(seed=seed, identity=record.identity, erasure=record.manifest.digests["erasure"], figures=record.figures)
        for seed, record in done.items()
    )
    changed = {"repeats": repeats, "command": f"{first.command} --repeats {len(records)}"}
    if len({repeat.erasure for repeat in repeats}) == 1:
        return [first.model_copy(update=changed)]
    return [first.model_copy(update=changed | _over_seeds(list(done), records))]


def _over_seeds(seeds: Sequence[int], records: Sequence[Record]) -> dict[str, object]:
    from erasebench.edit_size import mean_edit
    from erasebench.statistics import pooled_pairing

    return {
        "identity": digest(["repeats", *(record.identity for record in records)]),
        "figures": _figures(records),
        "pairing": pooled_pairing([record.pairing for record in records]),
        "edit": mean_edit([record.edit for record in records]),
        "manifest": _manifest([record.manifest for record in records], seeds),
    }


def _figures(records: Sequence[Record]) -> dict[str, Figure]:
    from erasebench.statistics import repeated_figure

    shared = [name for name in records[0].figures if all(name in record.figures for record in records)]
    return {name: repeated_figure([record.figures[name] for record in records]) for name in shared}


def _manifest(runs: Sequence[Manifest], seeds: Sequence[int]) -> Manifest:
    """The manifests as one; its stages are what one erasing took on average."""
    merged = merged_manifest(runs, [f"seed {seed}" for seed in seeds])
    stages = {
        name: Stage(seconds=stage.seconds / len(runs), peak_memory_bytes=stage.peak_memory_bytes)
        for name, stage in merged.stages.items()
    }
    return merged.model_copy(update={"stages": stages})
