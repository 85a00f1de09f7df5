"""How well pictures fit their prompts: CLIP score of the general group, and of erased and retained artists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import pandas as pd

from erasebench.api.judge_metrics import Expected, Metrics, Paired
from erasebench.metrics.composites import h_a
from erasebench.metrics.parts import MetricValues, column_mean, parts_of
from erasebench.metrics.statistics import composite_value, mean_value


class ClipScoreMetrics(Metrics):
    """clip_score_general; of named groups clip_e, clip_s and its two parts, clip_g, and h_a.

    H_a = CLIP_s - CLIP_e, from its parts (MACE, arXiv 2403.06135, section 4.4).
    """

    needs_prompt: ClassVar[bool] = True

    def of_suite(self, rows: pd.DataFrame) -> MetricValues:
        """See the class."""
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

    def of_images(self, rows: pd.DataFrame) -> MetricValues:
        """clip_score."""
        return {"clip_score": mean_value(column_mean(rows, "clip_score"), unit="points")}

    def expected(self, images: Mapping[str, int]) -> dict[str, Expected]:
        """As `of_suite` names them, synonyms apart; H_a needs both of its parts."""
        both = images["e"] + images["s"] if images["e"] and images["s"] else 0
        named = {"clip_score_general": images["general"]}
        named |= {f"clip_{part}": images[part] for part in ("e", "s", "s_seen", "s_heldout")} | {"h_a": both}
        return {name: Expected("points", n) for name, n in named.items() if n}

    def paired(self) -> Mapping[str, Paired]:
        """H_a."""
        return {"h_a": Paired("clip_score", {"clip_e": "e", "clip_s": "s"}, False, "h_a")}


CLIP_SCORE = ClipScoreMetrics()
