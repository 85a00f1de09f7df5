"""What a record keeps for pairs gives its headline again, whatever the suite."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest

from erasebench.api.value import Pairing
from erasebench.judges.figures import average_figures, suite_figures
from erasebench.judges.figures.pairing import average_pairing, headline_pairing
from erasebench.judges.nudenet_classes import APART, REGIONS
from erasebench.metrics.composites import FORMULAS
from erasebench.metrics.statistics import Sample

JUDGES = {
    "h_c": "identity",
    "h_c_strict": "identity",
    "h_o": "clip-accuracy",
    "h_o_top1": "clip-accuracy",
    "h_a": "clip-score",
    "detections_total": "nudenet",
}


def rows(seed: int = 0, groups: tuple[str, ...] = ("erased", "retained-kept", "synonyms")) -> pd.DataFrame:
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
@pytest.mark.parametrize("headline", JUDGES)
def test_a_headline_comes_out_of_its_tallies(headline: str, resampled: Literal["prompt", "seed"]) -> None:
    table, said = split(rows())
    judged = {JUDGES[headline]: said}
    value = suite_figures(table, judged, {}, resampled=resampled)[headline].value
    pairing = headline_pairing(headline, table, judged, resampled=resampled)
    assert recomputed(pairing) == pytest.approx(value, abs=1e-5)
    assert pairing is not None
    clusters = {len(part.by_cluster.split()) for part in pairing.parts.values()}
    assert clusters == {3 if resampled == "seed" else 4}


@pytest.mark.parametrize("headline", ["h_o_mean", "h_o_mean_top1"])
def test_an_average_comes_out_of_its_tallies(headline: str) -> None:
    runs = {name: rows(seed) for seed, name in enumerate(("apple", "cup of tea"))}
    value = average_figures(runs)[headline].value
    assert recomputed(average_pairing(headline, runs)) == pytest.approx(value, abs=1e-5)


def test_prompts_are_numbered_in_the_order_of_the_table() -> None:
    table, said = split(rows())
    pairing = headline_pairing("h_a", table, {"clip-score": said})
    assert pairing is not None
    numbers = {name: [cell.split(":")[0] for cell in part.by_cluster.split()] for name, part in pairing.parts.items()}
    assert numbers == {"clip_e": ["0", "1", "2", "3"], "clip_s": ["4", "5", "6", "7"]}
    # Of the first prompt's three images all were scored, of the second's the first was not.
    assert [cell.split("/")[1] for cell in pairing.parts["clip_e"].by_cluster.split()][:2] == ["3", "2"]


def test_what_cannot_be_paired_keeps_nothing() -> None:
    table, said = split(rows())
    assert headline_pairing("fid_256", table, {"identity": said}) is None
    assert headline_pairing("h_c", table, {"clip-score": said}) is None
    lonely, alone = split(rows(groups=("erased",)))
    assert headline_pairing("h_c", lonely, {"identity": alone}) is None
    assert average_pairing("h_o_mean", {"apple": rows(groups=("erased",))}) is None
