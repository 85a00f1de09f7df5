"""Which class a picture shows: the object suite's accuracies, by two conventions that are never mixed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd

from erasebench.api.judge import SCORED
from erasebench.metrics.composites import h_o
from erasebench.metrics.parts import MetricValues, column_mean, parts_of
from erasebench.metrics.statistics import Sample, composite_value, mean_value

_NO_CLASS = "no image of a known class could be scored"


def mean_probability(rows: pd.DataFrame) -> Sample:
    """The softmax probability of the class that was asked for: the convention of MACE's evaluation."""
    return column_mean(rows, "probability", fraction=True, unscored=_NO_CLASS)


def top1(rows: pd.DataFrame) -> Sample:
    """Whether the most probable class is the one asked for; an image that asks for none of the classes is unscored."""
    asked = (rows["outcome"] == SCORED) & rows["asked"].notna()
    right = (rows["predicted"] == rows["asked"]).astype(float).where(asked)
    return Sample(right, rows["cluster"], fraction=True, unscored=_NO_CLASS)


CONVENTIONS: Mapping[str, Callable[[pd.DataFrame], Sample]] = {"probability": mean_probability, "top1": top1}
H_O = {"probability": "h_o", "top1": "h_o_top1"}
"""The name of H_o by convention: the primary metric follows the reference."""
WHOLE = ("e", "s", "g")
"""The parts that make H_o."""


def class_metrics(rows: pd.DataFrame, prefix: str = "acc") -> MetricValues:
    """<prefix>_<part>_probability and _top1 of each part; with erased, retained and synonyms, h_o and h_o_top1.

    `rows` has outcome, predicted, asked, probability and cluster. H_o = 3 / (1/(1-Acc_e) + 1/Acc_s + 1/(1-Acc_g)) from
    its parts (MACE, arXiv 2403.06135, section 4.1).
    """
    found: MetricValues = {}
    for convention, sample in CONVENTIONS.items():
        samples = {part: sample(own) for part, own in parts_of(rows)}
        for part, own in samples.items():
            found[f"{prefix}_{part}_{convention}"] = mean_value(own, unit="fraction")
        if all(part in samples for part in WHOLE):
            whole = {f"acc_{part}": samples[part] for part in WHOLE}
            found[H_O[convention]] = composite_value(whole, h_o, unit="fraction")
    return found
