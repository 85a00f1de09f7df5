"""The page on adding a judge: its code runs, and its tables name the whole contract."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from erasebench.api.judge import Judge
from erasebench.api.judge_metrics import Metrics
from erasebench.api.judges import JUDGES, OWN, load_judge, metrics_of, package_judges
from erasebench.metrics.composites import FORMULAS
from erasebench.metrics.missing import Unavailable
from erasebench.metrics.pairing import primary_metric_pairing
from erasebench.metrics.statistics import Sample
from erasebench.metrics.suite import suite_metrics
from tests.judges.own_metrics import METRICS
from tests.their_judge import installed

PAGE = (Path(__file__).parents[2] / "docs" / "adding-a-judge.md").read_text(encoding="utf-8")
CODE = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
JUDGE, METRICS_OF_IT, RECOGNISER = CODE


def explained(page: str) -> list[str]:
    """What the first column of the page's tables names."""
    cells = (line.split("|")[1] for line in page.splitlines() if line.startswith("| `"))
    return [name.partition("(")[0] for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def public(contract: type) -> set[str]:
    return {name for name in vars(contract) if not name.startswith("_")} | set(getattr(contract, "__annotations__", ()))


def test_the_page_explains_the_whole_contract() -> None:
    assert public(Metrics) <= set(explained(PAGE))
    assert public(Judge) - {"judge"} <= set(explained(PAGE))


def test_the_page_names_every_own_judge_with_its_columns() -> None:
    lines = {name: line for name in OWN for line in PAGE.splitlines() if line.startswith(f"| `{name}` |")}
    assert lines.keys() == OWN.keys()
    for name, line in lines.items():
        stems = {each.partition("*")[0].removesuffix("N") for each in re.findall(r"`([^`]+)`", line.split("|")[3])}
        given = METRICS[name].expected(dict.fromkeys(("e", "s", "s_seen", "s_heldout", "g", "general"), 1))
        assert all(any(metric.startswith(stem) for stem in stems) or metric.startswith("h_o") for metric in given)


def test_its_judge_and_its_registration_are_found_and_judge(tmp_path: Path) -> None:
    (toml,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (entries,) = tomllib.loads(toml)["project"]["entry-points"].items()
    assert entries == (JUDGES.group, {"sharpness": "their_package.sharpness:Sharpness"})
    with installed(tmp_path, JUDGE):
        assert package_judges() == ["sharpness"]
        judge: Any = load_judge("sharpness")
        opened = judge.open(judge.Config(dark_below=80), "cpu")
        assert opened.identity()["dark_below"] == 80
        rows = opened.judge([np.full((4, 4, 3), 90, np.uint8), None], table().iloc[:2])
    assert list(rows["outcome"]) == ["scored", "missing"]
    assert (rows["sharpness"].iloc[0], rows["dark"].iloc[0]) == (0.0, 0.0)


def table() -> pd.DataFrame:
    groups = ["erased"] * 4 + ["retain-seen"] * 4
    return pd.DataFrame({"group": groups, "concept": "Ann", "prompt": list("aabbccdd"), "seed": [1, 2] * 4})


def test_its_metrics_are_what_the_page_says() -> None:
    names: dict[str, Any] = {}
    exec(METRICS_OF_IT, names)
    metrics = {"sharpness": names["SharpnessMetrics"](sharpness="points")}
    said = pd.DataFrame({"outcome": "scored", "sharpness": [1.0, 2, 3, 4, 7, 8, 9, 10]})
    found = suite_metrics(table(), {"sharpness": said}, {}, metrics)
    assert (found["sharpness_e"].value, found["sharpness_s"].value) == (2.5, 8.5)
    assert found["sharpness_lead"].value == 6.0
    pairing = primary_metric_pairing("sharpness_lead", table(), {"sharpness": said}, metrics)
    assert pairing is not None
    means = {name: Sample.from_tally(part).mean for name, part in pairing.parts.items()}
    assert FORMULAS[pairing.formula](**means) == 6.0
    gone = suite_metrics(table(), {}, {"sharpness": Unavailable("gone", ("erased", "retain-seen"))}, metrics)
    assert gone.keys() == found.keys()
    assert (gone["sharpness_lead"].reason, gone["sharpness_lead"].n_expected) == ("gone", 8)
    assert metrics["sharpness"].can_give("sharpness_lead") and not metrics["sharpness"].can_give("h_c")


def test_its_recogniser_replaces_a_worlds_and_keeps_the_protocols_metrics() -> None:
    names: dict[str, Any] = {}
    exec(RECOGNISER, names)
    world = names["MyWorld"]()
    judge = world.judge("face-id")
    rows = judge.judge([np.full((4, 4, 3), 90, np.uint8)], table().iloc[:1])
    assert rows["predicted"].iloc[0] in world.concept_lists.all_names("person")
    assert metrics_of("face-id", judge) is METRICS["face-id"]


def test_a_judges_own_metrics_come_before_those_declared_under_its_name() -> None:
    class Brought(Judge):
        name = "face-id"
        metrics = METRICS["clip-score"]

    assert metrics_of("face-id", Brought) is METRICS["clip-score"]


@pytest.mark.parametrize("loaded", ["torch", "open_clip", "diffusers"])
def test_the_metrics_of_all_own_judges_load_nothing_heavy(loaded: str) -> None:
    asked = f"import sys, tests.judges.own_metrics; sys.exit({loaded!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], cwd=Path(__file__).parents[2], check=False).returncode == 0
