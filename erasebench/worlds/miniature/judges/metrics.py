"""What the rows of the two judges add up to that this world alone has; nothing heavy is loaded for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import pandas as pd

from erasebench.api.judge import SCORED
from erasebench.api.judge_metrics import Expected, Metrics, Names
from erasebench.judges.clip_accuracy_metrics import ClassMetrics
from erasebench.judges.recogniser_metrics import NO_FACE_FOUND, accuracy
from erasebench.metrics.parts import MetricValues, parts_of
from erasebench.metrics.statistics import Sample, mean_value

RECOGNISER = "face-id"
"""The judge that the attribute reader is compared with."""
AGREEMENT = "judge_agreement"


class AttributeMetrics(Metrics):
    """attribute_acc_e and attribute_acc_s, the recogniser's accuracies by the attribute reader; judge_agreement."""

    names: ClassVar[Names] = "lists"

    def of_suite(self, rows: pd.DataFrame) -> MetricValues:
        """The two accuracies."""
        return {
            f"attribute_acc_{part}": mean_value(accuracy(own), unit="fraction")
            for part, own in parts_of(rows)
            if part in ("e", "s")
        }

    def with_others(self, rows: pd.DataFrame, others: Mapping[str, pd.DataFrame]) -> MetricValues:
        """judge_agreement, where the recogniser has judged too."""
        return {} if RECOGNISER not in others else agreement_metrics(others[RECOGNISER], rows)

    def expected(self, images: Mapping[str, int]) -> dict[str, Expected]:
        """The two accuracies."""
        return {f"attribute_acc_{part}": Expected("fraction", images[part]) for part in ("e", "s") if images[part]}

    def can_give(self, name: str) -> bool:
        """judge_agreement too, which is not expected: it needs another judge."""
        return name == AGREEMENT or super().can_give(name)


class ArtistMetrics(ClassMetrics):
    """The metrics of classes, of artists: those of the world's concept lists."""

    names: ClassVar[Names] = "lists"


def agreement_metrics(first: pd.DataFrame, second: pd.DataFrame) -> MetricValues:
    """judge_agreement: whether two judges name the same person, over the images in which both found a face."""
    both = (first["outcome"] == SCORED) & (second["outcome"] == SCORED)
    same = (first["predicted"] == second["predicted"]).astype(float).where(both)
    sample = Sample(same, first["cluster"], fraction=True, unscored=NO_FACE_FOUND)
    return {AGREEMENT: mean_value(sample, unit="fraction")}


ATTRIBUTES = AttributeMetrics()
ARTIST_ACCURACY = ArtistMetrics("artist")
