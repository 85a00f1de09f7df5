"""From judgements to metrics: pure functions of the prompt table and the judges' rows, whatever the suite."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import pandas as pd

from erasebench.api.judge_metrics import Metrics
from erasebench.api.judges import metrics_of
from erasebench.judges.metrics.averages import average_metrics, mean_metrics
from erasebench.judges.metrics.classes import class_metrics
from erasebench.judges.metrics.detections import detection_metrics
from erasebench.judges.metrics.distances import Reference, distance_metrics, reference_of
from erasebench.judges.metrics.faces import agreement_metrics, attribute_metrics, identity_metrics
from erasebench.judges.metrics.missing_prompts import Unavailable, missing_metrics, unavailable_metrics
from erasebench.judges.metrics.not_finite import naming_not_finite
from erasebench.judges.metrics.scores import clip_score_metrics
from erasebench.metrics.parts import MetricValues, clustered

__all__ = [
    "MetricValues",
    "Reference",
    "Unavailable",
    "average_metrics",
    "distance_metrics",
    "mean_metrics",
    "reference_of",
    "suite_metrics",
]

OF_JUDGE: dict[str, Callable[[pd.DataFrame], MetricValues]] = {
    "face-id": identity_metrics,
    "attributes": attribute_metrics,
    "clip-accuracy": class_metrics,
    "artist-accuracy": lambda rows: class_metrics(rows, prefix="artist"),
    "clip-score": clip_score_metrics,
    "nudenet": detection_metrics,
}
"""Of each own judge's rows, the metrics that they give; a distance needs its reference too."""


def metrics_of_judge(name: str, rows: pd.DataFrame, metrics: Metrics | None = None) -> MetricValues:
    """The metrics of a judge's rows: by the `metrics` that it brings, else by the protocol; {} where it has none."""
    if metrics is None and name in OF_JUDGE:
        return OF_JUDGE[name](rows)
    metrics = metrics or metrics_of(name)
    return metrics.of_suite(rows) if metrics else {}


def suite_metrics(
    table: pd.DataFrame,
    judged: Mapping[str, pd.DataFrame],
    unavailable: Mapping[str, Unavailable],
    reference: Reference | None = None,
    *,
    resampled: Literal["prompt", "seed"] = "prompt",
    missing_prompts: Mapping[str, tuple[int, str]] | None = None,
    metrics: Mapping[str, Metrics] | None = None,
) -> MetricValues:
    """Every metric that these judges give on this prompt table (row, group, concept, prompt, seed; indexed by row).

    `judged`: judge name -> its rows on the groups that it read, indexed as the table. `unavailable`: judge name -> why
    it could not judge, and what; its metrics are there, unscored, with that reason. `reference`: what `fid` compares
    with. `resampled`: what the intervals resample. `missing`: group -> images asked for, and why it has no prompts.
    `metrics`: those that judges bring, by judge name.
    """
    rows = {name: clustered(table.join(frame, how="inner"), resampled) for name, frame in judged.items()}
    found: MetricValues = missing_metrics(missing_prompts or {})
    for name, missing in unavailable.items():
        found |= unavailable_metrics(name, table, missing)
    for name, own in rows.items():
        found |= naming_not_finite(metrics_of_judge(name, own, (metrics or {}).get(name)), own)
    if "face-id" in rows and "attributes" in rows:
        found |= agreement_metrics(rows["face-id"], rows["attributes"])
    if "fid" in rows and reference is not None:
        found |= naming_not_finite(distance_metrics(rows["fid"], reference), rows["fid"])
    return found
