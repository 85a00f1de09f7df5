"""Runs that each erased one class, averaged: the mean of the H_o and the H_o of the means, which are two metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from erasebench.api.value import MetricValue
from erasebench.judges.metrics.classes import CONVENTIONS, H_O, WHOLE
from erasebench.metrics.columns import Column
from erasebench.metrics.composites import h_o_of_means, mean_of_h_o, part_of_run
from erasebench.metrics.parts import MetricValues, clustered, parts_of
from erasebench.metrics.statistics import Sample, composite_value


def average_metrics(runs: Mapping[str, pd.DataFrame]) -> MetricValues:
    """Of runs by the class that each erased: acc_<part>_<convention>, h_o_mean and h_o_of_means, the last two by
    convention (no ending: mean probability; _top1).

    Each frame joins a run's prompt table with its clip-accuracy rows. Every run counts alike, whatever its number of
    images. Images of one seed are taken together, over all runs, since they grow from the same noise.
    """
    found: MetricValues = {}
    parts = {name: dict(parts_of(clustered(rows, "seed"))) for name, rows in runs.items()}
    for convention, sample in CONVENTIONS.items():
        samples = {
            part_of_run(part, name): sample(rows) for name, by_part in parts.items() for part, rows in by_part.items()
        }
        for part in dict.fromkeys(part for by_part in parts.values() for part in by_part):
            own = {key: value for key, value in samples.items() if key.startswith(f"{part} of ")}
            found[f"acc_{part}_{convention}"] = composite_value(own, _mean, unit="fraction")
        whole: dict[str, Sample] = {
            key: samples[key] for name in parts for part in WHOLE if (key := part_of_run(part, name)) in samples
        }
        if len(whole) == len(WHOLE) * len(parts):
            ending = H_O[convention].removeprefix("h_o")
            for title, formula in (("h_o_mean", mean_of_h_o), ("h_o_of_means", h_o_of_means)):
                found[f"{title}{ending}"] = composite_value(whole, formula, unit="fraction")
    return found


def mean_metrics(runs: Sequence[MetricValues], columns: Iterable[Column], found: MetricValues) -> MetricValues:
    """The mean over the runs of every metric that `columns` show, every run has and `found` lacks, whatever its judge.

    Its interval is from the mean of the lower ends to the mean of the upper ones: right for runs that err together,
    as they may on shared seeds, and too wide for others. A metric that one run could not score is unscored.
    """
    shared = [name for name in runs[0] if all(name in run for run in runs)]
    shown = [column.key for asked in columns for column in asked.matching(shared)]
    return {name: _mean_of([run[name] for run in runs]) for name in shown if name not in found}


def _mean_of(runs: Sequence[MetricValue]) -> MetricValue:
    counts: dict[str, Any] = {
        "n_scored": sum(run.n_scored for run in runs),
        "n_expected": sum(run.n_expected for run in runs),
        "unit": runs[0].unit,
        "reason": next((run.reason for run in runs if run.reason), None),
    }
    values, lows, highs = ([getattr(run, end) for run in runs] for end in ("value", "low", "high"))
    if None in values:
        unscored = next(run.reason for run in runs if run.value is None)
        return MetricValue(value=None, **counts | {"reason": unscored})
    if None in lows:
        return MetricValue(value=float(np.mean(values)), **counts)
    return MetricValue(value=float(np.mean(values)), low=float(np.mean(lows)), high=float(np.mean(highs)), **counts)


def _mean(**values: Any) -> Any:
    return np.mean(np.stack(list(values.values())), axis=0)
