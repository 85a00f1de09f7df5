"""Which class a picture shows: the object suite's accuracies, by two conventions that are never mixed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from erasebench.api.judge import SCORED
from erasebench.api.judge_metrics import Expected, Metrics, Names, Paired
from erasebench.metrics.composites import h_o, h_o_of_means, mean_of_h_o, part_of_run
from erasebench.metrics.parts import PARTS, MetricValues, column_mean, parts_of
from erasebench.metrics.statistics import Sample, composite_value, mean_value

_NO_CLASS = "no image of a known class could be scored"


def mean_probability(rows: pd.DataFrame) -> Sample:
    """The softmax probability of the class that was asked for: the convention of MACE's evaluation."""
    return column_mean(rows, "probability", fraction=True, unscored=_NO_CLASS)


def top1(rows: pd.DataFrame) -> Sample:
    """Whether the most probable class is the one asked for; an image that asks for none of the classes is unscored."""
    return Sample(_right(rows), rows["cluster"], fraction=True, unscored=_NO_CLASS)


def _right(rows: pd.DataFrame) -> pd.Series:
    asked = (rows["outcome"] == SCORED) & rows["asked"].notna()
    return (rows["predicted"] == rows["asked"]).astype(float).where(asked)


CONVENTIONS: Mapping[str, Callable[[pd.DataFrame], Sample]] = {"probability": mean_probability, "top1": top1}
H_O = {"probability": "h_o", "top1": "h_o_top1"}
"""The name of H_o by convention: the primary metric follows the reference."""
WHOLE = ("e", "s", "g")
"""The parts that make H_o."""


class ClassMetrics(Metrics):
    """<prefix>_<part>_probability and _top1 of each part; with erased, retained and synonyms, h_o and h_o_top1.

    `rows` has outcome, predicted, asked, probability and cluster. H_o = 3 / (1/(1-Acc_e) + 1/Acc_s + 1/(1-Acc_g)) from
    its parts (MACE, arXiv 2403.06135, section 4.1).
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def of_suite(self, rows: pd.DataFrame) -> MetricValues:
        """See the class."""
        found: MetricValues = {}
        for convention, sample in CONVENTIONS.items():
            samples = {part: sample(own) for part, own in parts_of(rows)}
            for part, own in samples.items():
                found[f"{self.prefix}_{part}_{convention}"] = mean_value(own, unit="fraction")
            if all(part in samples for part in WHOLE):
                whole = {f"acc_{part}": samples[part] for part in WHOLE}
                found[H_O[convention]] = composite_value(whole, h_o, unit="fraction")
        return found

    def of_images(self, rows: pd.DataFrame) -> MetricValues:
        """accuracy_top1 and mean_probability."""
        return {
            "accuracy_top1": mean_value(top1(rows), unit="fraction"),
            "mean_probability": mean_value(mean_probability(rows), unit="fraction"),
        }

    def expected(self, images: Mapping[str, int]) -> dict[str, Expected]:
        """As `of_suite` names them; H_o needs all of its parts."""
        whole = sum(images[part] for part in WHOLE) if all(images[part] for part in WHOLE) else 0
        named = {f"{self.prefix}_{part}_{convention}": images[part] for part in PARTS for convention in CONVENTIONS}
        named |= dict.fromkeys(H_O.values(), whole)
        return {name: Expected("fraction", n) for name, n in named.items() if n}


class ClipAccuracyMetrics(ClassMetrics):
    """The metrics of classes, and of runs that each erased one class."""

    names: ClassVar[Names] = "classes"

    def of_runs(self, runs: Mapping[str, pd.DataFrame]) -> MetricValues:
        """acc_<part>_<convention>, h_o_mean and h_o_of_means, the last two by convention (no ending: mean probability;
        _top1). Every run counts alike, whatever its number of images.

        The mean of the H_o and the H_o of the means are two metrics.
        """
        found: MetricValues = {}
        parts = {name: dict(parts_of(rows)) for name, rows in runs.items()}
        for convention, sample in CONVENTIONS.items():
            samples = {
                part_of_run(part, name): sample(rows)
                for name, by_part in parts.items()
                for part, rows in by_part.items()
            }
            for part in dict.fromkeys(part for by_part in parts.values() for part in by_part):
                own = {key: value for key, value in samples.items() if key.startswith(f"{part} of ")}
                found[f"{self.prefix}_{part}_{convention}"] = composite_value(own, _mean, unit="fraction")
            whole: dict[str, Sample] = {
                key: samples[key] for name in parts for part in WHOLE if (key := part_of_run(part, name)) in samples
            }
            if len(whole) == len(WHOLE) * len(parts):
                ending = H_O[convention].removeprefix("h_o")
                for title, formula in (("h_o_mean", mean_of_h_o), ("h_o_of_means", h_o_of_means)):
                    found[f"{title}{ending}"] = composite_value(whole, formula, unit="fraction")
        return found

    def paired(self) -> Mapping[str, Paired]:
        """Both H_o."""
        parts = {f"acc_{part}": part for part in WHOLE}
        return {
            "h_o": Paired("probability", parts, True, "h_o"),
            "h_o_top1": Paired(_right, parts, True, "h_o"),
        }

    def paired_runs(self) -> Mapping[str, Paired]:
        """Both means of the H_o."""
        parts = {part: part for part in WHOLE}
        return {
            "h_o_mean": Paired("probability", parts, True, "mean_of_h_o"),
            "h_o_mean_top1": Paired(_right, parts, True, "mean_of_h_o"),
        }


def _mean(**values: Any) -> Any:
    return np.mean(np.stack(list(values.values())), axis=0)


CLIP_ACCURACY = ClipAccuracyMetrics("acc")
