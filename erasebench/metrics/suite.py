"""From judgements to metrics: pure functions of the prompt table and the judges' rows, whatever the suite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import pandas as pd

from erasebench.api.judge_metrics import Metrics
from erasebench.metrics.missing import NoPrompts, Unavailable, metrics_without_prompts, unavailable_metrics
from erasebench.metrics.not_finite import naming_not_finite
from erasebench.metrics.parts import MetricValues, clustered


def suite_metrics(
    table: pd.DataFrame,
    judged: Mapping[str, pd.DataFrame],
    unavailable: Mapping[str, Unavailable],
    metrics: Mapping[str, Metrics],
    *,
    references: Mapping[str, Any] | None = None,
    resampled: Literal["prompt", "seed"] = "prompt",
    missing_prompts: Mapping[str, NoPrompts] | None = None,
) -> MetricValues:
    """Every metric that these judges give on this prompt table (row, group, concept, prompt, seed; indexed by row).

    `judged`: judge name -> its rows on the groups that it read, indexed as the table. `unavailable`: judge name -> why
    it could not judge, and what; its metrics are there, unscored, with that reason. `metrics`: those of every judge
    named; a judge without any gives none. `references`: judge name -> what its metrics are `against`. `resampled`:
    what the intervals resample. `missing`: group -> why it has no prompts, and who would have judged how many images.
    """
    rows = {name: clustered(table.join(frame, how="inner"), resampled) for name, frame in judged.items()}
    known = {name: metrics[name] for name in rows if name in metrics}
    found: MetricValues = {}
    for group, lacking in (missing_prompts or {}).items():
        found |= metrics_without_prompts(group, lacking, metrics)
    for name, missing in unavailable.items():
        if name in metrics:
            found |= unavailable_metrics(metrics[name], table, missing)
    for name, own in known.items():
        found |= naming_not_finite(own.of_suite(rows[name]), rows[name])
    for name, own in known.items():
        found |= own.with_others(rows[name], {other: each for other, each in rows.items() if other != name})
    for name, reference in (references or {}).items():
        if name in known and reference is not None:
            found |= naming_not_finite(known[name].against(rows[name], reference), rows[name])
    return found
