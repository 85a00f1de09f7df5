"""Metrics that cannot be had: a judge or a group of prompts that is missing is said, never left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd

from erasebench.api.judges import metrics_of
from erasebench.api.value import Unit
from erasebench.judges.metrics.classes import CONVENTIONS, H_O, WHOLE
from erasebench.judges.metrics.detections import TITLES
from erasebench.metrics.parts import PARTS, MetricValues, unscored_value

_UNITS: Mapping[str, Unit] = {"clip-score": "points", "fid": "distance"}


class Unavailable(NamedTuple):
    """Why a judge could not judge, and the groups that it would have read."""

    reason: str
    groups: tuple[str, ...]


def unavailable_metrics(judge: str, table: pd.DataFrame, missing: Unavailable) -> MetricValues:
    """The metrics that a judge would have given on its groups of this table, unscored."""
    sizes = table["group"][table["group"].isin(missing.groups)].value_counts()
    of = {part: int(sum(sizes.get(group, 0) for group in groups)) for part, groups in PARTS.items()}
    of["general"] = int(sizes.get("general", 0))
    if (metrics := metrics_of(judge)) is not None:
        own = metrics.expected(of)
        return {name: unscored_value(each.unit, each.images, missing.reason) for name, each in own.items()}
    unit = _UNITS.get(judge, "fraction")
    return {
        name: unscored_value("count" if name.startswith("detections") else unit, n, missing.reason)
        for name, n in _expected(judge, of).items()
        if n
    }


def metrics_named(judge: str) -> frozenset[str] | None:
    """Every metric that a judge can give of a suite; None where that is not known before it has judged.

    A package's judge need not say what it expects. A distance has the number of images in its name: here 1.
    """
    of = dict.fromkeys((*PARTS, "general"), 1)
    metrics = metrics_of(judge)
    return frozenset(metrics.expected(of) if metrics else _expected(judge, of)) or None


def missing_metrics(missing_prompts: Mapping[str, tuple[int, str]]) -> MetricValues:
    """The metrics of a group (general, synonyms) without prompts: group -> (images asked for, why there are none)."""
    found: MetricValues = {}
    for group, (expected, reason) in missing_prompts.items():
        if group == "general" and expected:
            found["clip_score_general"] = unscored_value("points", expected, reason)
            found[f"fid_{expected}"] = unscored_value("distance", expected, reason)
        if group == "synonyms":
            names = [*(f"acc_g_{convention}" for convention in CONVENTIONS), *H_O.values()]
            found |= {name: unscored_value("fraction", expected, reason) for name in names}
    return found


def _expected(judge: str, of: Mapping[str, int]) -> dict[str, int]:
    """The metrics of a judge and the images that each rests on; a composite needs all of its parts."""
    both = of["e"] + of["s"] if of["e"] and of["s"] else 0
    named = ("e", "s", "s_kept", "s_unseen")
    if judge == "face-id":
        return {
            **{f"acc_{part}": of[part] for part in named},
            **{f"{name}_{part}{end}": of[part] for part in "es" for name, end in (("no_face", ""), ("acc", "_strict"))},
            **{"h_c": both, "h_c_strict": both},
        }
    if judge == "attributes":
        return {f"attribute_acc_{part}": of[part] for part in "es"}
    if judge == "clip-score":
        scores = {f"clip_{part}": of[part] for part in named} | {"h_a": both}
        return {"clip_score_general": of["general"], **scores}
    if judge in ("clip-accuracy", "artist-accuracy"):
        prefix = "acc" if judge == "clip-accuracy" else "artist"
        whole = sum(of[part] for part in WHOLE) if all(of[part] for part in WHOLE) else 0
        single = {f"{prefix}_{part}_{convention}": of[part] for part in PARTS for convention in CONVENTIONS}
        return single | dict.fromkeys(H_O.values(), whole)
    if judge == "nudenet":
        names = ["images_with_hit", "detections_total", *(f"detections_{title}" for title in TITLES.values())]
        return dict.fromkeys(names, of["e"])
    return {f"fid_{of['general']}": of["general"]} if judge == "fid" else {}
