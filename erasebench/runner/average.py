"""Jobs that each erased one name of a suite, averaged into one record of their own."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from erasebench.api.judges import metrics_of
from erasebench.api.value import MetricValue, Pairing
from erasebench.console.scrubbing import scrubbed
from erasebench.files.sealed import whole, write_sealed_json
from erasebench.identity import digest
from erasebench.metrics.columns import MetricTable
from erasebench.results.record import AVERAGE, Manifest, Record, Stage
from erasebench.runner.attack_columns import table_under
from erasebench.runner.cache import read_judged, record_in
from erasebench.runner.command import command_of
from erasebench.runner.job import Job
from erasebench.store.run_folder import run_name
from erasebench.suite.choice import marked

if TYPE_CHECKING:
    import pandas as pd

    from erasebench.api.judge_metrics import Metrics

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Average:
    """The runs of one method on a suite that erases one name at a time."""

    jobs: tuple[Job, ...]
    table: MetricTable

    @property
    def label(self) -> str:
        """For messages: 'mace on object-average', with the seed and the mark that tell its jobs from others."""
        first = self.jobs[0]
        return f"{first.chosen.name} on {first.suite.name}-{AVERAGE}{first.seed_label}{first.mark}"

    @property
    def sheet(self) -> Path:
        """Where a contact sheet of it would be kept."""
        return self.file.with_suffix(".png")

    @cached_property
    def file(self) -> Path:
        """Where the record is kept, under the digest of what its runs rest on."""
        first = self.jobs[0]
        folder = first.request.runs_folder / first.world.name / run_name(first.suite.name, AVERAGE) / "finished"
        return folder / f"{first.chosen.name}-{digest([job.request_digest for job in self.jobs])[:16]}.json"

    def record(self, records: Sequence[Record]) -> Record:
        """The record over the runs' records, in the order of `jobs`; made once and then read."""
        identity = digest([AVERAGE, *(record.identity for record in records)])
        kept = record_in(self.file) if whole(self.file) else None
        if kept is not None and (kept.identity, kept.label, kept.table) == (identity, records[0].label, self.table):
            return kept
        judged = self._judged()
        metrics = self._metrics(records, judged)
        made = self._record(records, identity, metrics, self._pairing(judged))
        if all(metric.value is not None for metric in metrics.values()):
            write_sealed_json(self.file, made.model_dump(mode="json"))
        return made

    @cached_property
    def _by_judge(self) -> dict[str, Metrics]:
        """By judge of the suite."""
        suite, world = self.jobs[0].suite, self.jobs[0].world
        return {name: found for name in suite.all_judges(world) if (found := metrics_of(name)) is not None}

    def _judged(self) -> dict[str, dict[str, pd.DataFrame]]:
        """By judge, its rows on each run, by the name that the run erased; a judge without rows on one is left out."""
        judged = {}
        for name in self._by_judge:
            runs = {job.selection.erased[0]: read_judged(job, name) for job in self.jobs}
            rows = {erased: each for erased, each in runs.items() if each is not None}
            if len(rows) == len(runs):
                judged[name] = rows
        return judged

    def _pairing(self, judged: Mapping[str, Mapping[str, pd.DataFrame]]) -> Pairing | None:
        from erasebench.metrics.pairing import average_pairing

        return average_pairing(self.table.primary_metric, judged, self._by_judge)

    def _metrics(
        self, records: Sequence[Record], judged: Mapping[str, Mapping[str, pd.DataFrame]]
    ) -> dict[str, MetricValue]:
        from erasebench.metrics.averages import average_metrics, mean_metrics

        found = average_metrics(judged, self._by_judge)
        found |= mean_metrics([record.metrics for record in records], self.table.columns, found)
        if self.table.primary_metric in found:
            return found
        reasons = (f.reason for record in records for f in record.metrics.values() if f.value is None)
        reason = next(reasons, f"no run has metrics that make {self.table.primary_metric}")
        expected = sum(len(job.table.rows) for job in self.jobs)
        unscored = MetricValue(value=None, n_scored=0, n_expected=expected, unit="fraction", reason=reason)
        return found | {self.table.primary_metric: unscored}

    def _record(
        self, records: Sequence[Record], identity: str, metrics: Mapping[str, MetricValue], pairing: Pairing | None
    ) -> Record:
        from erasebench.metrics.edit_size import mean_edit

        first, job = records[0], self.jobs[0]
        names = tuple(job.selection.erased[0] for job in self.jobs)
        anchors = tuple(job.selection.anchors[0] for job in self.jobs)
        changed = {
            "identity": identity,
            "table": self.table,
            "scale": f"{AVERAGE} to {marked(anchors)}" if job.selection.own_anchors else AVERAGE,
            "concepts": names,
            "metrics": dict(metrics),
            "pairing": pairing,
            "edit": mean_edit([record.edit for record in records]),
            "command": scrubbed(command_of(job, names, anchors)),
            "manifest": merged_manifest([record.manifest for record in records], names),
        }
        return first.model_copy(update=changed)


def averages(jobs: Sequence[Job]) -> list[Average]:
    """An average for each suite that erases one name at a time, each method with several runs on it and each seed."""
    runs: dict[tuple[str, str, int], list[Job]] = {}
    for job in jobs:
        if job.suite.one_at_a_time:
            runs.setdefault((job.suite_asked, job.chosen.asked, job.request.seed), []).append(job)
    return [
        Average(tuple(own), table_under(own[0].suite.average_table, own[0].attacks))
        for own in runs.values()
        if len(own) > 1 and own[0].suite.average_table is not None
    ]


def averaged(average: Average, records: Mapping[str, Record]) -> Record | None:
    """The record of an average from its runs' records by label; None, and said, where one of them failed."""
    failed = [job.selection.erased[0] for job in average.jobs if job.label not in records]
    if failed:
        log.warning("%s: no average, because the run on %s failed.", average.label, ", ".join(failed))
        return None
    return average.record([records[job.label] for job in average.jobs])


def merged_manifest(runs: Sequence[Manifest], names: Sequence[str]) -> Manifest:
    """The runs' manifests as one: their digests where they agree (as judges and model do), else one over them all.

    Solves and seeds are listed by `names`, one for each run: what it erased, or under which seed.
    """
    first = runs[0]
    digests = {
        key: value if all(run.digests.get(key) == value for run in runs) else digest([r.digests.get(key) for r in runs])
        for key, value in first.digests.items()
    }
    ratios = [run.sampling_ratio for run in runs if run.sampling_ratio is not None]
    stages: dict[str, Stage] = {}
    for name in dict.fromkeys(name for run in runs for name in run.stages):
        own = [run.stages[name] for run in runs if name in run.stages]
        peaks = [stage.peak_memory_bytes for stage in own if stage.peak_memory_bytes is not None]
        stages[name] = Stage(seconds=sum(stage.seconds for stage in own), peak_memory_bytes=max(peaks, default=None))
    ratios = [run.sampling_ratio for run in runs if run.sampling_ratio is not None]
    return first.model_copy(
        update={
            "digests": digests,
            "judges": first.judges if all(run.judges == first.judges for run in runs) else {},
            "condition_numbers": {
                f"{name}, {solve}": number
                for name, run in zip(names, runs, strict=True)
                for solve, number in run.condition_numbers.items()
            },
            "stages": stages,
            "sampling_ratio": sum(ratios) / len(ratios) if len(ratios) == len(runs) else None,
            "seeds": {name: run.seeds for name, run in zip(names, runs, strict=True)},
        }
    )
