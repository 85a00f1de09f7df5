"""How well pictures fit their prompts: CLIP score of the general group, and of erased and retained artists."""

from __future__ import annotations

import pandas as pd

from erasebench.metrics.composites import h_a
from erasebench.metrics.parts import MetricValues, column_mean, parts_of
from erasebench.metrics.statistics import composite_value, mean_value


def clip_score_metrics(rows: pd.DataFrame) -> MetricValues:
    """clip_score_general; of named groups clip_e, clip_s and its two parts, and h_a.

    H_a = CLIP_s - CLIP_e, from its parts (MACE, arXiv 2403.06135, section 4.4).
    """
    found: MetricValues = {}
    samples = {part: column_mean(own, "clip_score") for part, own in parts_of(rows)}
    for part, sample in samples.items():
        found[f"clip_{part}"] = mean_value(sample, unit="points")
    if "e" in samples and "s" in samples:
        found["h_a"] = composite_value({"clip_e": samples["e"], "clip_s": samples["s"]}, h_a, unit="points")
    general = rows[rows["group"] == "general"]
    if len(general):
        found["clip_score_general"] = mean_value(column_mean(general, "clip_score"), unit="points")
    return found
