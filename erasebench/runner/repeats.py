"""Runs of one method under several of its own seeds, taken together into one record: mean, spread, interval."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence

from erasebench.api.value import MetricValue
from erasebench.identity import digest
from erasebench.results.record import UNEDITED, Manifest, Record, Repeat, Stage
from erasebench.runner.average import merged_manifest
from erasebench.runner.job import Job

log = logging.getLogger(__name__)

FRECHET = "fid_"
"""How the names of Frechet distances begin: they are never negative, as kernel distances may be."""
_NUMBER = re.compile("_([0-9]+)$")


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


def taken_together(label: str, by_seed: Mapping[int, Record | None]) -> list[tuple[int, Record]]:
    """One record of all erasings, the method's seeds ascending; where one failed, the others' own, and that is said.

    Each with the seed whose contact sheet stands for it: its own, of a record of all the first. Where every
    seed gave the same edit it is the first run's record, which says so: there is no luck of training.
    """
    done = {seed: record for seed, record in by_seed.items() if record is not None}
    if failed := [str(seed) for seed in by_seed if seed not in done]:
        log.warning("%s: no mean over seeds, because seed %s failed.", label, ", ".join(failed))
        return list(done.items())
    records = list(done.values())
    seed, first = next(iter(done.items()))
    repeats = tuple(
        Repeat(seed=own, identity=record.identity, erasure=record.manifest.digests["erasure"], metrics=record.metrics)
        for own, record in done.items()
    )
    changed = {"repeats": repeats, "command": f"{first.command} --repeats {len(records)}"}
    if len({repeat.erasure for repeat in repeats}) == 1:
        return [(seed, first.model_copy(update=changed))]
    return [(seed, first.model_copy(update=changed | _over_seeds(list(done), records)))]


def _over_seeds(seeds: Sequence[int], records: Sequence[Record]) -> dict[str, object]:
    from erasebench.metrics.edit_size import mean_edit
    from erasebench.metrics.statistics import pooled_pairing

    return {
        "identity": digest(["repeats", *(record.identity for record in records)]),
        "metrics": _metrics(records, seeds),
        "pairing": pooled_pairing([record.pairing for record in records]),
        "edit": mean_edit([record.edit for record in records]),
        "manifest": _manifest([record.manifest for record in records], seeds),
    }


def _metrics(records: Sequence[Record], seeds: Sequence[int]) -> dict[str, MetricValue]:
    """Each metric over the seeds; one that a seed lacks is unscored and says under which."""
    from erasebench.metrics.statistics import repeated_value

    names = dict.fromkeys(name for record in records for name in record.metrics)
    found = {}
    for name in names:
        own = [record.metrics[name] for record in records if name in record.metrics]
        if len(own) == len(records):
            found[name] = repeated_value(own, never_negative=name.startswith(FRECHET))
        elif not _has_larger(name, names):
            found[name] = _lacking(name, records, seeds)
    return found


def _lacking(name: str, records: Sequence[Record], seeds: Sequence[int]) -> MetricValue:
    lacking = [(seed, record) for seed, record in zip(seeds, records, strict=True) if name not in record.metrics]
    own = [record.metrics[name] for record in records if name in record.metrics]
    others = (metric for _, record in lacking for key, metric in record.metrics.items() if _stem(key) == _stem(name))
    why = next((f": {metric.reason}" for metric in others if metric.reason), "")
    return MetricValue(
        value=None,
        n_scored=sum(metric.n_scored for metric in own),
        n_expected=sum(metric.n_expected for metric in own),
        unit=own[0].unit,
        reason=f"no {name} under seed {', '.join(str(seed) for seed, _ in lacking)}{why}",
    )


def _has_larger(name: str, names: Iterable[str]) -> bool:
    """Whether another metric is the same but for a larger number of images in its name: fid_1000 for fid_999."""
    return any(other != name and _stem(other) == _stem(name) and _number(other) > _number(name) for other in names)


def _stem(name: str) -> str:
    return _NUMBER.sub("", name)


def _number(name: str) -> int:
    found = _NUMBER.search(name)
    return int(found[1]) if found else -1


def _manifest(runs: Sequence[Manifest], seeds: Sequence[int]) -> Manifest:
    """The manifests as one; its stages are what one erasing took on average."""
    merged = merged_manifest(runs, [f"seed {seed}" for seed in seeds])
    stages = {
        name: Stage(seconds=stage.seconds / len(runs), peak_memory_bytes=stage.peak_memory_bytes)
        for name, stage in merged.stages.items()
    }
    return merged.model_copy(update={"stages": stages})
