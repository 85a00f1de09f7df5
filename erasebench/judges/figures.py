"""From judgements to figures: pure functions of the prompt table and the judges' rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from erasebench.composites import h_c
from erasebench.judges.base import NO_FACE, SCORED
from erasebench.judges.distances import Interval, frechet_interval, kernel_interval
from erasebench.record import Figure, Unit
from erasebench.statistics import Sample, composite_figure, mean_figure

Figures = dict[str, Figure]


class Reference(NamedTuple):
    """Features [m, d] of the reference images, and the family that names the figures: "" (Inception) or "mini"."""

    features: np.ndarray
    family: str


BELOW_KERNEL = 2048
"""Below this many images the Frechet distance is badly biased, and the kernel distance stands beside it."""
DISTANCES = {"": ("fid", "kid"), "mini": ("fid_mini", "kd_mini")}
"""Names of the Frechet and the kernel distance by the family of the features: only Inception's are FID and KID."""
RETAINED = ("retained-kept", "retained-unseen")
_PARTS: dict[str, Collection[str]] = {
    "e": ("erased",),
    "s": RETAINED,
    "s_kept": RETAINED[:1],
    "s_unseen": RETAINED[1:],
}
_NO_FACE_FOUND = "no face in any image"


def suite_figures(
    table: pd.DataFrame,
    judged: Mapping[str, pd.DataFrame],
    unavailable: Mapping[str, str],
    reference: Reference | None = None,
) -> Figures:
    """Every figure that these judges give on this prompt table (row, group, concept, prompt, seed; indexed by row).

    `judged`: judge name -> its rows on the groups that it read, indexed as the table. `unavailable`: judge name -> why
    it could not judge; its figures are there, unscored, with that reason. `reference`: what `fid` compares with.
    """
    rows = {name: table.join(frame, how="inner") for name, frame in judged.items()}
    found: Figures = {}
    for name, reason in unavailable.items():
        found |= unavailable_figures(name, table, reason)
    if "identity" in rows:
        found |= identity_figures(rows["identity"])
    if "attributes" in rows:
        found |= attribute_figures(rows["attributes"])
    if "identity" in rows and "attributes" in rows:
        found["judge_agreement"] = mean_figure(agreement(rows["identity"], rows["attributes"]), unit="fraction")
    if "clip-score" in rows:
        found |= clip_score_figures(rows["clip-score"])
    if "fid" in rows and reference is not None:
        found |= distance_figures(rows["fid"], reference)
    return found


def accuracy(rows: pd.DataFrame) -> Sample:
    """Whether the predicted name is the concept's, over the images in which a face was found (protocol, GCD rule).

    `rows` has outcome, predicted, concept and prompt. An image without a face counts in neither numerator nor
    denominator: read it beside `no_face`.
    """
    right = (rows["predicted"] == rows["concept"]).astype(float).where(rows["outcome"] == SCORED)
    return Sample(right, rows["prompt"], fraction=True, unscored=_NO_FACE_FOUND)


def no_face(rows: pd.DataFrame) -> Sample:
    """Whether no face was found, over all images that could be read."""
    faceless = (rows["outcome"] == NO_FACE).astype(float).where(rows["outcome"].isin([SCORED, NO_FACE]))
    return Sample(faceless, rows["prompt"], fraction=True)


def agreement(first: pd.DataFrame, second: pd.DataFrame) -> Sample:
    """Whether two judges name the same person, over the images in which both found a face."""
    both = (first["outcome"] == SCORED) & (second["outcome"] == SCORED)
    same = (first["predicted"] == second["predicted"]).astype(float).where(both)
    return Sample(same, first["prompt"], fraction=True, unscored=_NO_FACE_FOUND)


def column_mean(rows: pd.DataFrame, column: str) -> Sample:
    """The values of one column, over the images that were scored."""
    return Sample(rows[column].astype(float).where(rows["outcome"] == SCORED), rows["prompt"], fraction=False)


def identity_figures(rows: pd.DataFrame) -> Figures:
    """acc_e, acc_s, its two parts, h_c and the no-face rates; a group without prompts has no figure.

    H_c = 2 / (1/(1 - Acc_e) + 1/Acc_s), from its parts (MACE, arXiv 2403.06135, section 4.2).
    """
    found: Figures = {}
    for part, groups in _PARTS.items():
        own = rows[rows["group"].isin(groups)]
        if len(own):
            found[f"acc_{part}"] = mean_figure(accuracy(own), unit="fraction")
        if len(own) and part in ("e", "s"):
            found[f"no_face_{part}"] = mean_figure(no_face(own), unit="fraction")
    if "acc_e" in found and "acc_s" in found:
        erased, retained = (accuracy(rows[rows["group"].isin(_PARTS[part])]) for part in ("e", "s"))
        found["h_c"] = composite_figure({"acc_e": erased, "acc_s": retained}, h_c, unit="fraction")
    return found


def attribute_figures(rows: pd.DataFrame) -> Figures:
    """attribute_acc_e and attribute_acc_s: the same accuracies by the attribute reader."""
    return {
        f"attribute_acc_{part}": mean_figure(accuracy(own), unit="fraction")
        for part in ("e", "s")
        if len(own := rows[rows["group"].isin(_PARTS[part])])
    }


def clip_score_figures(rows: pd.DataFrame) -> Figures:
    """clip_score_general: mean CLIP score of the general group."""
    general = rows[rows["group"] == "general"]
    if not len(general):
        return {}
    return {"clip_score_general": mean_figure(column_mean(general, "clip_score"), unit="points")}


def distance_figures(rows: pd.DataFrame, reference: Reference) -> Figures:
    """Frechet and (below 2,048 images) kernel distance of the rows' features from the reference's.

    The number of images is part of each name ("fid_mini_256"). With fewer than two images there is nothing to compare:
    the figure is unscored, under the number of images that were expected.
    """
    scored = rows[rows["outcome"] == SCORED]
    n = len(scored)
    names = DISTANCES[reference.family][: 1 if n >= BELOW_KERNEL else 2]
    if n < 2:
        reason = "a distance needs at least two images"
        return {f"{name}_{len(rows)}": _unscored("distance", len(rows), reason, n) for name in names}
    features = np.stack(list(scored["features"]))
    clusters = scored["prompt"].to_numpy(dtype=str)
    of: tuple[Callable[[np.ndarray, np.ndarray, np.ndarray], Interval], ...] = (frechet_interval, kernel_interval)
    return {
        f"{name}_{n}": _distance(distance(features, reference.features, clusters), n, len(rows))
        for name, distance in zip(names, of, strict=False)
    }


def _distance(interval: Interval, n: int, expected: int) -> Figure:
    known = bool(np.isfinite([interval.low, interval.high]).all())
    return Figure(
        value=interval.value,
        low=interval.low if known else None,
        high=interval.high if known else None,
        n_scored=n,
        n_expected=expected,
        unit="distance",
        reason=None if known else "fewer than three prompts",
    )


def _unscored(unit: Unit, expected: int, reason: str, n: int = 0) -> Figure:
    return Figure(value=None, n_scored=n, n_expected=expected, unit=unit, reason=reason)


def unavailable_figures(judge: str, table: pd.DataFrame, reason: str) -> Figures:
    """The figures that a judge would have given, unscored: a missing judge is said, never left out."""
    sizes = table["group"].value_counts()
    per_part = {part: int(sum(sizes.get(group, 0) for group in groups)) for part, groups in _PARTS.items()}
    general = int(sizes.get("general", 0))
    expected = {
        "identity": {
            **{f"acc_{part}": n for part, n in per_part.items()},
            "h_c": per_part["e"] + per_part["s"],
            **{f"no_face_{part}": per_part[part] for part in ("e", "s")},
        },
        "attributes": {f"attribute_acc_{part}": per_part[part] for part in ("e", "s")},
        "clip-score": {"clip_score_general": general},
        "fid": {f"fid_{general}": general},
    }
    units: Mapping[str, Unit] = {"clip-score": "points", "fid": "distance"}
    unit = units.get(judge, "fraction")
    return {name: _unscored(unit, n, reason) for name, n in expected.get(judge, {}).items() if n}
