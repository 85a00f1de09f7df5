"""What a record keeps for pairs gives its primary metric again, whatever the suite."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest

from erasebench.api.value import Pairing
from erasebench.judges.nudenet_classes import APART, REGIONS
from erasebench.metrics.averages import average_metrics
from erasebench.metrics.composites import FORMULAS
from erasebench.metrics.pairing import average_pairing, primary_metric_pairing
from erasebench.metrics.statistics import Sample
from erasebench.metrics.suite import suite_metrics
from tests.judges.own_metrics import METRICS

JUDGES = {
    "h_c": "face-id",
    "h_c_strict": "face-id",
    "h_o": "clip-accuracy",
    "h_o_top1": "clip-accuracy",
    "h_a": "clip-score",
    "detections_total": "nudenet",
}


def rows(seed: int = 0, groups: tuple[str, ...] = ("erased", "retain-seen", "synonyms")) -> pd.DataFrame:
    """A prompt table of 4 prompts a group x 3 seeds, with everything that any judge may say; a seventh is unscored."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        [
            {"group": group, "concept": "cat", "prompt": f"{group} {at}", "seed": s}
            for group in groups
            for at in range(4)
            for s in (11, 5, 7)
        ]
    )
    n = len(table)
    said: dict[str, Any] = {
        "outcome": ["no-face" if at % 7 == 3 else "scored" for at in range(n)],
        "predicted": ["cat" if hit else "dog" for hit in rng.random(n) < 0.6],
        "asked": "cat",
        "probability": rng.random(n),
        "clip_score": rng.normal(20, 3, n),
        **{name: rng.integers(0, 3, n) for name in (*REGIONS, *APART)},
    }
    return table.assign(row=range(n), **said).assign(total=lambda frame: frame[list(REGIONS)].sum(axis=1))


def split(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    table = ["group", "concept", "prompt", "seed", "row"]
    return frame[table], frame.drop(columns=table)


def recomputed(pairing: Pairing | None) -> float:
    assert pairing is not None
    means = {name: Sample.from_tally(part).mean for name, part in pairing.parts.items()}
    return pairing.scale * float(FORMULAS[pairing.formula](**means))


@pytest.mark.parametrize("resampled", ["prompt", "seed"])
@pytest.mark.parametrize("primary_metric", JUDGES)
def test_a_headline_comes_out_of_its_tallies(primary_metric: str, resampled: Literal["prompt", "seed"]) -> None:
    table, said = split(rows())
    judged = {JUDGES[primary_metric]: said}
    value = suite_metrics(table, judged, {}, METRICS, resampled=resampled)[primary_metric].value
    pairing = primary_metric_pairing(primary_metric, table, judged, METRICS, resampled=resampled)
    assert recomputed(pairing) == pytest.approx(value, abs=1e-5)
    assert pairing is not None
    clusters = {len(part.by_cluster.split()) for part in pairing.parts.values()}
    assert clusters == {3 if resampled == "seed" else 4}


@pytest.mark.parametrize("primary_metric", ["h_o_mean", "h_o_mean_top1"])
def test_an_average_comes_out_of_its_tallies(primary_metric: str) -> None:
    runs = {name: rows(seed) for seed, name in enumerate(("apple", "cup of tea"))}
    value = average_metrics({"clip-accuracy": runs}, METRICS)[primary_metric].value
    assert recomputed(average_pairing(primary_metric, {"clip-accuracy": runs}, METRICS)) == pytest.approx(
        value, abs=1e-5
    )


def test_prompts_are_numbered_in_the_order_of_the_table() -> None:
    table, said = split(rows())
    pairing = primary_metric_pairing("h_a", table, {"clip-score": said}, METRICS)
    assert pairing is not None
    numbers = {name: [cell.split(":")[0] for cell in part.by_cluster.split()] for name, part in pairing.parts.items()}
    assert numbers == {"clip_e": ["0", "1", "2", "3"], "clip_s": ["4", "5", "6", "7"]}
    # Of the first prompt's three images all were scored, of the second's the first was not.
    assert [cell.split("/")[1] for cell in pairing.parts["clip_e"].by_cluster.split()][:2] == ["3", "2"]


def test_what_cannot_be_paired_keeps_nothing() -> None:
    table, said = split(rows())
    assert primary_metric_pairing("fid_256", table, {"face-id": said}, METRICS) is None
    assert primary_metric_pairing("h_c", table, {"clip-score": said}, METRICS) is None
    lonely, alone = split(rows(groups=("erased",)))
    assert primary_metric_pairing("h_c", lonely, {"face-id": alone}, METRICS) is None
    assert average_pairing("h_o_mean", {"clip-accuracy": {"apple": rows(groups=("erased",))}}, METRICS) is None
