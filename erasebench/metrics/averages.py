"""Runs that each erased one name, averaged: what a judge makes of all rows together, and means of the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from erasebench.api.judge_metrics import Metrics
from erasebench.api.value import MetricValue
from erasebench.metrics.columns import Column
from erasebench.metrics.parts import MetricValues, clustered


def average_metrics(judged: Mapping[str, Mapping[str, pd.DataFrame]], metrics: Mapping[str, Metrics]) -> MetricValues:
    """What each judge makes of the rows of all runs together; `judged`: judge name -> rows by the name erased.

    Each frame joins a run's prompt table with the judge's rows. Images of one seed are taken together, over all runs,
    since they grow from the same noise.
    """
    found: MetricValues = {}
    for judge, runs in judged.items():
        if judge in metrics:
            found |= metrics[judge].of_runs({name: clustered(rows, "seed") for name, rows in runs.items()})
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
