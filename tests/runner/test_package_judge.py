"""A package's judge in a run: its weights are missing, it is upgraded, its metrics are averaged over classes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import erasebench
from erasebench.cli import main
from erasebench.errors import UserError
from erasebench.results.record import AVERAGE, Record
from tests.runner.toy import of
from tests.their_judge import SOURCE, SUITE, installed

OPENED = "return cls(config)"
REFUSED = """from erasebench.errors import UserError

        raise UserError("sharpness.onnx is not here.", "Download it.")"""
PARTS = ("e", "s", "s_seen", "s_heldout", "general")
OBJECTS = Path(__file__).parents[1] / "data" / "toy-objects.yaml"


@pytest.fixture
def sharp(words: dict[str, Any]) -> dict[str, Any]:
    """The words of a run on the suite that the package's judge ranks."""
    return words | {"suite": str(SUITE), "baselines": "none"}


def source(old: str, new: str) -> str:
    text = SOURCE.read_text()
    assert old in text
    return text.replace(old, new)


def test_without_its_weights_its_metrics_are_unscored_and_the_run_is_done(
    sharp: dict[str, Any], tmp_path: Path, sampled: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    asked = ["--method", sharp["method"], "--suite", sharp["suite"], "--world", sharp["world"], "--baselines", "none"]
    places = ["--model", sharp["model"], "--out", str(sharp["out"]), "--runs-folder", str(sharp["runs_folder"])]
    with installed(tmp_path / "site", source(OPENED, REFUSED)):
        assert main(["run", *asked, *places]) == 0
    record = only_record(sharp["out"])
    assert record["status"] == "done"
    assert set(record["metrics"]) == {f"{column}_{part}" for column in ("sharpness", "dark") for part in PARTS}
    for name, metric in record["metrics"].items():
        assert (metric["value"], metric["n_scored"], metric["reason"]) == (None, 0, "sharpness.onnx is not here.")
        assert metric["unit"] == ("points" if name.startswith("sharpness") else "fraction")
        assert metric["n_expected"] > 0
    assert "no sharpness, so its metrics are unscored. sharpness.onnx is not here.\nDownload it." in caplog.text
    before = sum(sampled)
    # The weights are there: the same command judges, and makes no image again.
    with installed(tmp_path / "site"):
        assert main(["run", *asked, *places]) == 0
    assert sum(sampled) == before
    metrics = only_record(sharp["out"])["metrics"]
    assert metrics.keys() == record["metrics"].keys()
    assert all(metric["n_scored"] == metric["n_expected"] for metric in metrics.values())


def only_record(out: Path) -> dict[str, Any]:
    """The newest record of a board."""
    newest = max((out / "results").glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    found: dict[str, Any] = json.loads(newest.read_text())
    return found


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("axis=0)).mean())", "axis=0)).mean() + 1)"),
        ('metrics = ColumnMeans(sharpness="points", dark="fraction")', 'metrics = ColumnMeans(sharpness="distance")'),
    ],
    ids=["rows", "metrics"],
)
def test_after_an_upgrade_it_judges_again_and_no_image_is_made_again(
    sharp: dict[str, Any], tmp_path: Path, sampled: list[int], old: str, new: str
) -> None:
    with installed(tmp_path / "site"):
        first = of(erasebench.run(**sharp), "shift")
        before = sum(sampled)
        assert before > 0
        assert of(erasebench.run(**sharp), "shift") == first
    with installed(tmp_path / "site", source(old, new)):
        second = of(erasebench.run(**sharp), "shift")
        assert "their_sharpness" in sys.modules
    assert sum(sampled) == before
    assert second.identity != first.identity
    assert second.manifest.digests["judge:sharpness"] != first.manifest.digests["judge:sharpness"]
    assert second.manifest.digests["erasure"] == first.manifest.digests["erasure"]
    mine, theirs = first.metrics["sharpness_e"], second.metrics["sharpness_e"]
    assert mine.value is not None and theirs.value is not None
    if "distance" in new:
        assert (theirs.unit, theirs.value) == ("distance", mine.value)
        assert "dark_e" not in second.metrics
    else:
        assert theirs.value == pytest.approx(mine.value + 1)
    judged = list(Path(sharp["runs_folder"]).glob("**/*sharpness*"))
    assert len({path.name for path in judged}) == 2, "the rows of both versions are kept"


def test_its_shown_metrics_are_averaged_over_classes(words: dict[str, Any], tmp_path: Path) -> None:
    toy = f"{OBJECTS.parents[1] / 'toy_objects.py'}:"
    suite = OBJECTS.read_text().replace("[clip-accuracy]", "[clip-accuracy, sharpness]")
    column = "    - {key: sharpness_%s, title: Sharp, direction: up, meaning: Sharp.}\n"
    (tmp_path / "sharp.yaml").write_text(suite + column % "e" + column % "g")
    asked = {"method": toy + "ShiftAny", "world": toy + "ToyObjects", "suite": str(tmp_path / "sharp.yaml")}
    with installed(tmp_path / "site"):
        runs: dict[Any, Record] = {
            record.scale: record
            for record in erasebench.run(**words | asked | {"baselines": "none"}).records
            if record.method == "shift"
        }
    average = runs.pop(AVERAGE)
    brought = [name for name in average.metrics if not name.startswith(("acc_", "h_o"))]
    assert brought == ["sharpness_e", "sharpness_g"], "the columns that the average shows, and no other"
    for name in brought:
        own = [run.metrics[name].value for run in runs.values()]
        assert average.metrics[name].value == pytest.approx(np.mean([each for each in own if each is not None]))
    assert average.metrics["h_o_mean"].value is not None


def test_a_column_that_no_judge_computes_is_said(
    sharp: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "sharp.yaml").write_text(SUITE.read_text().replace("key: dark_s,", "key: drak_s,"))
    with installed(tmp_path / "site"):
        run = of(erasebench.run(**sharp | {"suite": str(tmp_path / "sharp.yaml")}), "shift")
    assert "No judge of the suite sharp computes 'drak_s', so its table does not show that column." in caplog.text
    assert "Did you mean 'dark_s'" in caplog.text
    assert run.metrics["dark_s"].value is not None


def test_a_suite_that_it_does_not_rank_is_refused(sharp: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "sharp.yaml").write_text(SUITE.read_text().replace("sharpness_e", "h_c"))
    with installed(tmp_path / "site"), pytest.raises(UserError, match="No judge of the suite sharp computes 'h_c'"):
        erasebench.run(**sharp | {"suite": str(tmp_path / "sharp.yaml")})
