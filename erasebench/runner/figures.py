"""From judgements to figures, all with n_scored of n_expected; what could not be judged says why.

Source: the protocol of MACE (arXiv 2403.06135), section 4.2: accuracy among images in which a face was found, no-face
rate over all of them, H_c from its parts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from erasebench.composites import h_c
from erasebench.errors import UserError
from erasebench.judges.base import NO_FACE, SCORED
from erasebench.record import Figure, Unit
from erasebench.statistics import Sample, composite_figure, mean_figure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from erasebench.prompts import Group
    from erasebench.runner.job import Job
    from erasebench.runner.session import Session
    from erasebench.runner.stages import Judgement

ERASED: tuple[Group, ...] = ("erased",)
KEPT: tuple[Group, ...] = ("retained-kept",)
UNSEEN: tuple[Group, ...] = ("retained-unseen",)
RETAINED = KEPT + UNSEEN

Values = Callable[[pd.DataFrame], "NDArray[np.float64]"]


def figures_of(job: Job, session: Session, judgements: Sequence[Judgement]) -> dict[str, Figure]:
    """Every figure that the suite's judges give; a missing judge leaves its figures unscored, with the reason."""
    measured = Measured(job, judgements)
    figures: dict[str, Figure] = {}
    if measured.has("identity"):
        for name, groups in (("acc_e", ERASED), ("acc_s", RETAINED), ("acc_s_kept", KEPT), ("acc_s_unseen", UNSEEN)):
            figures[name] = measured.mean("identity", groups, correct, "fraction", "no face was found in any image")
        for name, groups in (("no_face_e", ERASED), ("no_face_s", RETAINED)):
            figures[name] = measured.mean("identity", groups, faceless, "fraction")
        figures["h_c"] = measured.harmonic("identity")
    if measured.has("attributes"):
        for name, groups in (("attribute_acc_e", ERASED), ("attribute_acc_s", RETAINED)):
            figures[name] = measured.mean("attributes", groups, correct, "fraction", "no face was found in any image")
        figures["judge_agreement"] = measured.agreement("identity", "attributes", ERASED + RETAINED)
    if measured.has("clip-score"):
        figures["clip_score_general"] = measured.mean("clip-score", ("general",), clip_scores, "points")
    if measured.has("fid"):
        figures |= measured.distances(session, "fid", ("general",))
    return figures


def correct(rows: pd.DataFrame) -> NDArray[np.float64]:
    """1 where the judge named the prompt's person, 0 where another, NaN where it named nobody."""
    return np.where(rows["outcome"] == SCORED, rows["predicted"] == rows["concept"], np.nan)


def faceless(rows: pd.DataFrame) -> NDArray[np.float64]:
    """1 where no face was found, 0 where one was, NaN where the image could not be looked at."""
    return np.where(rows["outcome"].isin((SCORED, NO_FACE)), rows["outcome"] == NO_FACE, np.nan)


def clip_scores(rows: pd.DataFrame) -> NDArray[np.float64]:
    """100 x cosine of prompt and image."""
    return rows["clip_score"].to_numpy(dtype=np.float64)


class Measured:
    """The judgements of a job, joined with their prompts."""

    def __init__(self, job: Job, judgements: Sequence[Judgement]) -> None:
        self._frames = {group: job.table.of_group(group).frame() for group in job.table.groups}
        self._found = {(found.judge, found.group): found for found in judgements}

    def has(self, judge: str) -> bool:
        """Whether the suite asked this judge anything."""
        return any(name == judge for name, _ in self._found)

    def mean(
        self, judge: str, groups: Sequence[Group], values: Values, unit: Unit, unscored: str = "no image could be judged"
    ) -> Figure:
        """The mean of a value per image with its interval."""
        if missing := self._missing(judge, groups, unit):
            return missing
        return mean_figure(self._sample(judge, groups, values, unit, unscored), unit=unit)

    def harmonic(self, judge: str) -> Figure:
        """H_c = 2 / (1 / (1 - Acc_e) + 1 / Acc_s)."""
        if missing := self._missing(judge, ERASED + RETAINED, "fraction"):
            return missing
        parts = {
            "acc_e": self._sample(judge, ERASED, correct, "fraction", "no face was found in any image"),
            "acc_s": self._sample(judge, RETAINED, correct, "fraction", "no face was found in any image"),
        }
        return composite_figure(parts, h_c, unit="fraction")

    def agreement(self, first: str, second: str, groups: Sequence[Group]) -> Figure:
        """How often two judges name the same person, of the images in which both found a face."""
        for judge in (first, second):
            if missing := self._missing(judge, groups, "fraction"):
                return missing
        one, other = self._rows(first, groups), self._rows(second, groups)
        both = (one["outcome"] == SCORED).to_numpy() & (other["outcome"] == SCORED).to_numpy()
        values = np.where(both, one["predicted"].to_numpy() == other["predicted"].to_numpy(), np.nan)
        return mean_figure(Sample(values, one["prompt"], fraction=True, unscored="no face was found"), unit="fraction")

    def distances(self, session: Session, judge: str, groups: Sequence[Group]) -> dict[str, Figure]:
        """FID and KID, or the world's own FID-mini and KD-mini, with N in their names."""
        from erasebench.judges.distances import frechet_interval, kernel_interval
        from erasebench.judges.fid import FidJudge, feature_matrix

        rows = self._rows(judge, groups)
        expected = sum(len(self._frames.get(group, ())) for group in groups)
        found = session.judge(judge)
        if not isinstance(found, FidJudge):
            reason = found.what if isinstance(found, UserError) else f"{judge} is no distance judge"
            return {f"fid_{expected}": Figure(value=None, n_scored=0, n_expected=expected, unit="distance", reason=reason)}
        features = feature_matrix(rows)
        scored = rows.loc[rows["outcome"] == SCORED, "prompt"].to_numpy(dtype=object).astype(str)
        stem = f"_{found.extractor.family}" if found.extractor.family else ""
        figures = {}
        for name, interval in ((f"fid{stem}", frechet_interval), (f"k{'d' if stem else 'id'}{stem}", kernel_interval)):
            counts: dict[str, Any] = {"n_scored": len(features), "n_expected": expected, "unit": "distance"}
            if len(features) < 2:
                figures[f"{name}_{expected}"] = Figure(value=None, reason="fewer than two images were judged", **counts)
                continue
            value, low, high = interval(features, found.reference_features, scored)
            if not low <= value <= high:
                figures[f"{name}_{expected}"] = Figure(value=value, reason="too few prompts for an interval", **counts)
            else:
                figures[f"{name}_{expected}"] = Figure(value=value, low=low, high=high, **counts)
        return figures

    def _rows(self, judge: str, groups: Sequence[Group]) -> pd.DataFrame:
        parts = [
            self._frames[group].join(found.rows)
            for group in groups
            if (found := self._found.get((judge, group))) and found.rows is not None
        ]
        columns = ["concept", "prompt", "outcome", "predicted", "clip_score", "features"]
        return pd.concat(parts) if parts else pd.DataFrame(columns=columns)

    def _sample(self, judge: str, groups: Sequence[Group], values: Values, unit: Unit, unscored: str) -> Sample:
        rows = self._rows(judge, groups)
        prompts = rows["prompt"].to_numpy(dtype=object)
        reason = unscored if len(rows) else "the run has no prompts of this group"
        return Sample(values(rows).astype(np.float64), prompts, fraction=unit == "fraction", unscored=reason)

    def _missing(self, judge: str, groups: Sequence[Group], unit: Unit) -> Figure | None:
        """The unscored figure where the judge was not there for one of the groups."""
        for group in groups:
            found = self._found.get((judge, group))
            if found is not None and found.unavailable is not None:
                expected = sum(len(self._frames[name]) for name in groups if name in self._frames)
                reason = found.unavailable.what
                return Figure(value=None, n_scored=0, n_expected=expected, unit=unit, reason=reason)
        return None
