"""What a primary metric was computed from, added up by prompt or seed, so that records can be compared in pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import pandas as pd

from erasebench.api.judge_metrics import Metrics, Paired
from erasebench.api.value import Formula, Pairing
from erasebench.metrics.composites import part_of_run
from erasebench.metrics.parts import clustered, column_mean, parts_of
from erasebench.metrics.statistics import Sample


def primary_metric_pairing(
    primary_metric: str,
    table: pd.DataFrame,
    judged: Mapping[str, pd.DataFrame],
    metrics: Mapping[str, Metrics],
    *,
    resampled: Literal["prompt", "seed"] = "prompt",
) -> Pairing | None:
    """Of a run, from its prompt table and the judges' rows as `suite_metrics` takes them; None where there is none.

    There is none where no judge says that prompts can be compared by the primary metric, and where a part has no rows.
    """
    made_of = ((name, metrics[name].paired().get(primary_metric)) for name in judged if name in metrics)
    judge, paired = next(((name, each) for name, each in made_of if each is not None), (None, None))
    if judge is None or paired is None:
        return None
    rows = dict(parts_of(clustered(table.join(judged[judge], how="inner"), resampled)))
    if not all(part in rows for part in paired.parts.values()):
        return None
    samples = {name: _sample(paired, rows[part]) for name, part in paired.parts.items()}
    scale = sum(sample.n_expected for sample in samples.values()) if paired.total else 1.0
    return _pairing(paired.formula, samples, table[resampled], scale)


def average_pairing(
    primary_metric: str, judged: Mapping[str, Mapping[str, pd.DataFrame]], metrics: Mapping[str, Metrics]
) -> Pairing | None:
    """Of an average, from its runs' rows as `average_metrics` takes them; None where a run lacks a part."""
    for judge, runs in judged.items():
        paired = metrics[judge].paired_runs().get(primary_metric) if judge in metrics else None
        rows = {name: dict(parts_of(clustered(own, "seed"))) for name, own in runs.items()}
        if paired is None or not all(part in own for own in rows.values() for part in paired.parts.values()):
            continue
        samples = {
            part_of_run(part, name): _sample(paired, own[part])
            for name, own in rows.items()
            for part in paired.parts.values()
        }
        return _pairing(paired.formula, samples, pd.concat([own["seed"] for own in runs.values()]), 1.0)
    return None


def _sample(paired: Paired, rows: pd.DataFrame) -> Sample:
    if isinstance(paired.values, str):
        return column_mean(rows, paired.values, fraction=paired.fraction)
    return Sample(paired.values(rows), rows["cluster"], fraction=paired.fraction)


def _pairing(formula: Formula, samples: Mapping[str, Sample], clusters: pd.Series[Any], scale: float) -> Pairing:
    numbers = {cluster: n for n, cluster in enumerate(dict.fromkeys(clusters))}
    return Pairing(
        formula=formula, scale=scale, parts={name: sample.tally(numbers) for name, sample in samples.items()}
    )
