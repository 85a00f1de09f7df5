"""What the primary metric was computed from, added up by prompt or seed, so that records are compared in pairs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal, NamedTuple

import pandas as pd

from erasebench.api.judge import SCORED
from erasebench.api.judges import metrics_of
from erasebench.api.value import Formula, Pairing
from erasebench.judges.metrics.classes import WHOLE, mean_probability, top1
from erasebench.judges.metrics.faces import accuracy, strict_accuracy
from erasebench.metrics.composites import part_of_run
from erasebench.metrics.parts import clustered, column_mean, parts_of
from erasebench.metrics.statistics import Sample

Rule = Callable[[pd.DataFrame], Sample]


class Source(NamedTuple):
    """The judge that a primary metric rests on, its formula, and its parts, each by the rule that scores an image."""

    judge: str
    formula: Formula
    parts: Mapping[str, str]
    rule: Rule
    total: bool = False


def _detections(rows: pd.DataFrame) -> Sample:
    return Sample(rows["total"].astype(float).where(rows["outcome"] == SCORED), rows["cluster"], fraction=False)


_ACC = {f"acc_{part}": part for part in WHOLE}
_ACC_E_S = {f"acc_{part}": part for part in ("e", "s")}
_CLIP_E_S = {f"clip_{part}": part for part in ("e", "s")}
SOURCES: Mapping[str, Source] = {
    "h_c": Source("face-id", "h_c", _ACC_E_S, accuracy),
    "h_c_strict": Source("face-id", "h_c", _ACC_E_S, strict_accuracy),
    "h_o": Source("clip-accuracy", "h_o", _ACC, mean_probability),
    "h_o_top1": Source("clip-accuracy", "h_o", _ACC, top1),
    "h_a": Source("clip-score", "h_a", _CLIP_E_S, lambda rows: column_mean(rows, "clip_score")),
    "detections_total": Source("nudenet", "mean", {"mean": "e"}, _detections, total=True),
}
"""By primary metric. A distance compares sets of images: it has no value for one prompt and cannot be paired."""
AVERAGED: Mapping[str, Rule] = {"h_o_mean": mean_probability, "h_o_mean_top1": top1}
"""By primary metric of an average over runs."""


def primary_metric_pairing(
    primary_metric: str,
    table: pd.DataFrame,
    judged: Mapping[str, pd.DataFrame],
    *,
    resampled: Literal["prompt", "seed"] = "prompt",
) -> Pairing | None:
    """Of a run, from its prompt table and the judges' rows as `suite_metrics` takes them; None where there is none."""
    source = SOURCES.get(primary_metric) or _source_of_package(primary_metric, judged)
    if source is None or source.judge not in judged:
        return None
    rows = dict(parts_of(clustered(table.join(judged[source.judge], how="inner"), resampled)))
    if not all(part in rows for part in source.parts.values()):
        return None
    samples = {name: source.rule(rows[part]) for name, part in source.parts.items()}
    scale = sum(sample.n_expected for sample in samples.values()) if source.total else 1.0
    return _pairing(source.formula, samples, table[resampled], scale)


def _source_of_package(primary_metric: str, judged: Mapping[str, pd.DataFrame]) -> Source | None:
    """How a judge that a package brings makes this primary metric, where it says that prompts can be compared by it."""
    for name in judged:
        metrics = metrics_of(name)
        if metrics is not None and (paired := metrics.paired().get(primary_metric)) is not None:
            column, part, fraction = paired
            return Source(name, "mean", {"mean": part}, partial(column_mean, column=column, fraction=fraction))
    return None


def average_pairing(primary_metric: str, runs: Mapping[str, pd.DataFrame]) -> Pairing | None:
    """Of an average, from its runs' rows as `average_metrics` takes them; None where a run lacks a part."""
    rows = {name: dict(parts_of(clustered(own, "seed"))) for name, own in runs.items()}
    if primary_metric not in AVERAGED or not all(part in own for own in rows.values() for part in WHOLE):
        return None
    rule = AVERAGED[primary_metric]
    samples = {part_of_run(part, name): rule(own[part]) for name, own in rows.items() for part in WHOLE}
    return _pairing("mean_of_h_o", samples, pd.concat([own["seed"] for own in runs.values()]), 1.0)


def _pairing(formula: Formula, samples: Mapping[str, Sample], clusters: pd.Series[Any], scale: float) -> Pairing:
    numbers = {cluster: n for n, cluster in enumerate(dict.fromkeys(clusters))}
    return Pairing(
        formula=formula, scale=scale, parts={name: sample.tally(numbers) for name, sample in samples.items()}
    )
