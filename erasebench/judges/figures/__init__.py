"""From judgements to figures: pure functions of the prompt table and the judges' rows, whatever the suite."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import pandas as pd

from erasebench.api.judge_metrics import Metrics
from erasebench.api.judges import metrics_of
from erasebench.judges.figures.absent import Unavailable, absent_figures, unavailable_figures
from erasebench.judges.figures.averages import average_figures, mean_figures
from erasebench.judges.figures.classes import class_figures
from erasebench.judges.figures.detections import detection_figures
from erasebench.judges.figures.distances import Reference, distance_figures, reference_of
from erasebench.judges.figures.faces import agreement_figures, attribute_figures, identity_figures
from erasebench.judges.figures.not_finite import naming_not_finite
from erasebench.judges.figures.scores import clip_score_figures
from erasebench.metrics.parts import Figures, clustered

__all__ = [
    "Figures",
    "Reference",
    "Unavailable",
    "average_figures",
    "distance_figures",
    "mean_figures",
    "reference_of",
    "suite_figures",
]

OF_JUDGE: dict[str, Callable[[pd.DataFrame], Figures]] = {
    "identity": identity_figures,
    "attributes": attribute_figures,
    "clip-accuracy": class_figures,
    "artist-accuracy": lambda rows: class_figures(rows, prefix="artist"),
    "clip-score": clip_score_figures,
    "nudenet": detection_figures,
}
"""Of each own judge's rows, the figures that they give; a distance needs its reference too."""


def figures_of_judge(name: str, rows: pd.DataFrame, metrics: Metrics | None = None) -> Figures:
    """The figures of a judge's rows: by the `metrics` that it brings, else by the protocol; {} where it has none."""
    if metrics is None and name in OF_JUDGE:
        return OF_JUDGE[name](rows)
    metrics = metrics or metrics_of(name)
    return metrics.of_suite(rows) if metrics else {}


def suite_figures(
    table: pd.DataFrame,
    judged: Mapping[str, pd.DataFrame],
    unavailable: Mapping[str, Unavailable],
    reference: Reference | None = None,
    *,
    resampled: Literal["prompt", "seed"] = "prompt",
    absent: Mapping[str, tuple[int, str]] | None = None,
    metrics: Mapping[str, Metrics] | None = None,
) -> Figures:
    """Every figure that these judges give on this prompt table (row, group, concept, prompt, seed; indexed by row).

    `judged`: judge name -> its rows on the groups that it read, indexed as the table. `unavailable`: judge name -> why
    it could not judge, and what; its figures are there, unscored, with that reason. `reference`: what `fid` compares
    with. `resampled`: what the intervals resample. `absent`: group -> images asked for, and why it has no prompts.
    `metrics`: those that judges bring, by judge name.
    """
    rows = {name: clustered(table.join(frame, how="inner"), resampled) for name, frame in judged.items()}
    found: Figures = absent_figures(absent or {})
    for name, missing in unavailable.items():
        found |= unavailable_figures(name, table, missing)
    for name, own in rows.items():
        found |= naming_not_finite(figures_of_judge(name, own, (metrics or {}).get(name)), own)
    if "identity" in rows and "attributes" in rows:
        found |= agreement_figures(rows["identity"], rows["attributes"])
    if "fid" in rows and reference is not None:
        found |= naming_not_finite(distance_figures(rows["fid"], reference), rows["fid"])
    return found
