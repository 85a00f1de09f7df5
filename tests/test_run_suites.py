"""Runs of suites of other shapes: one name at a time and its average; ready-made prompts with settings of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import erasebench
from erasebench.cli import main
from erasebench.errors import UserError
from erasebench.results.record import AVERAGE, Record
from erasebench.runner.run import Summary

HERE = Path(__file__).parent
TOY = f"{HERE / 'toy_objects.py'}:"
OBJECTS, EXPLICIT = (str(HERE / "data" / f"toy-{name}.yaml") for name in ("objects", "explicit"))


@pytest.fixture
def words(toy_words: dict[str, Any]) -> dict[str, Any]:
    """The words of a run that every test starts from."""
    return toy_words | {"method": TOY + "ShiftAny", "suite": OBJECTS, "world": TOY + "ToyObjects"}


def by_scale(summary: Summary, method: str = "shift") -> dict[int | str, Record]:
    return {record.scale: record for record in summary.records if record.method == method}


def value(record: Record, name: str) -> float:
    found = record.metrics[name].value
    assert found is not None
    return found


def stage_seconds(record: Record) -> float:
    """Seconds of all stages together."""
    return sum(stage.seconds for stage in record.manifest.stages.values())


def test_each_name_is_a_run_and_the_runs_are_averaged(words: dict[str, Any]) -> None:
    summary = erasebench.run(**words)
    runs = by_scale(summary)
    assert list(runs) == ["apple", "cup of tea", AVERAGE]
    average = runs.pop(AVERAGE)
    assert average.concepts == ("apple", "cup of tea")
    mean = np.mean([value(run, "h_o") for run in runs.values()])
    assert value(average, "h_o_mean") == pytest.approx(mean)
    parts = [np.mean([value(run, f"acc_{part}_probability") for run in runs.values()]) for part in "esg"]
    erased, retained, general = parts
    assert value(average, "h_o_of_means") == pytest.approx(3 / (1 / (1 - erased) + 1 / retained + 1 / (1 - general)))
    assert stage_seconds(average) == pytest.approx(sum(map(stage_seconds, runs.values())))
    assert average.manifest.digests["model"] == runs["apple"].manifest.digests["model"]
    assert Record.read(words["out"] / "results" / f"{average.id}.json") == average
    board = (words["out"] / "README.md").read_text()
    assert "average over 2 runs, small size" in board
    assert board.index("average over 2 runs") < board.index("apple, small size")
    assert "95% interval by seed" in board


def test_a_method_is_told_its_name_and_anchor_and_not_the_synonym(words: dict[str, Any]) -> None:
    erasebench.run(**words)
    (file,) = words["runs_folder"].glob("toy-objects/toy-objects-apple/shift-*/erasure/erasure.json")
    given = file.read_text()
    assert '"air"' in given and "another apple" not in given and "cup of tea" not in given


def test_the_judged_rows_are_kept_beside_the_record(words: dict[str, Any]) -> None:
    erasebench.run(**words, baselines="none")
    (file,) = words["runs_folder"].glob("*/toy-objects-cup-of-tea/finished/*.parquet")
    rows = pd.read_parquet(file)
    assert len(rows) == 3 + 2 + 2 + 2
    assert {"prompt", "seed", "clip-accuracy predicted", "clip-accuracy probability"} <= set(rows.columns)


def test_a_finished_average_is_read_again_and_published_elsewhere(words: dict[str, Any], tmp_path: Path) -> None:
    first = erasebench.run(**words)
    (kept,) = words["runs_folder"].glob("*/toy-objects-average/finished/shift-*.json")
    before = kept.stat().st_mtime_ns
    again = erasebench.run(**words | {"out": tmp_path / "other"})
    assert again.records == first.records
    assert kept.stat().st_mtime_ns == before
    assert by_scale(first)[AVERAGE].id in {path.stem for path in (tmp_path / "other" / "results").iterdir()}


def test_chosen_names_are_runs_of_their_own_and_one_has_no_average(words: dict[str, Any]) -> None:
    runs = by_scale(erasebench.run(**words, concepts=("brick",)))
    assert list(runs) == ["brick"]
    assert "--concepts brick" in runs["brick"].command


def test_there_is_no_average_over_a_run_that_failed(words: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    summary = erasebench.run(**words | {"method": TOY + "Picky"}, concepts=("apple", "brick"))
    assert list(by_scale(summary, "picky")) == ["apple"]
    assert "no average, because the run on brick failed" in caplog.text
    assert list(by_scale(summary, "original")) == ["apple", "brick", AVERAGE]


def test_an_average_without_its_judge_is_unscored(words: dict[str, Any]) -> None:
    record = by_scale(erasebench.run(**words | {"world": TOY + "BlindObjects"}))[AVERAGE]
    assert (record.metrics["h_o_mean"].value, record.metrics["h_o_mean"].reason) == (
        None,
        "CLIP's weights are not here.",
    )


def test_a_suite_of_another_judge_is_averaged_by_its_own_figures(words: dict[str, Any], tmp_path: Path) -> None:
    other = Path(OBJECTS).read_text().replace("clip-accuracy", "clip-score")
    for old, new in (("h_o_mean", "h_a"), ("h_o_of_means", "clip_e"), ("h_o", "h_a"), ("acc_e_probability", "clip_e")):
        other = other.replace(f"key: {old},", f"key: {new},").replace(
            f"primary_metric: {old}\n", f"primary_metric: {new}\n"
        )
    (tmp_path / "other.yaml").write_text(other)
    runs = by_scale(erasebench.run(**words | {"suite": str(tmp_path / "other.yaml")}))
    average = runs.pop(AVERAGE)
    assert set(average.metrics) == {"h_a", "clip_e"}
    for name, metric in average.metrics.items():
        own = [run.metrics[name] for run in runs.values()]
        for end in ("value", "low", "high"):
            assert getattr(metric, end) == pytest.approx(np.mean([getattr(each, end) for each in own]))
        assert (metric.n_expected, metric.unit) == (sum(each.n_expected for each in own), "points")
    assert "average over 2 runs" in (words["out"] / "README.md").read_text()


def test_a_headline_that_no_run_gives_is_unscored(words: dict[str, Any], tmp_path: Path) -> None:
    other = Path(OBJECTS).read_text().replace("clip-accuracy", "clip-score")
    own, average = other.split("average_table:")
    own = own.replace("primary_metric: h_o", "primary_metric: h_a").replace("key: h_o,", "key: h_a,")
    (tmp_path / "other.yaml").write_text(f"{own}average_table:{average}")
    record = by_scale(erasebench.run(**words | {"suite": str(tmp_path / "other.yaml")}))[AVERAGE]
    metric = record.metrics["h_o_mean"]
    assert (metric.value, metric.reason) == (None, "no run has metrics that make h_o_mean")


def test_sizes_and_limited_runs_stand_in_tables_of_their_own(words: dict[str, Any]) -> None:
    erasebench.run(**words)
    erasebench.run(**words, size="full", concepts=("apple", "cup of tea"))
    limited = by_scale(erasebench.run(**words, limit=1))
    assert limited[AVERAGE].partial
    board = (words["out"] / "README.md").read_text()
    for size in ("small", "full"):
        assert f"### toy-objects: average over 2 runs, {size} size" in board
    assert "partial run" in board


def test_several_suites_run_in_one_go(words: dict[str, Any]) -> None:
    summary = erasebench.run(**words | {"suite": [OBJECTS, EXPLICIT]})
    assert {record.suite for record in summary.records} == {"toy-objects", "toy-explicit"}
    board = (words["out"] / "README.md").read_text()
    assert "## toy-explicit" in board and "## toy-objects" in board


def sides(runs: Path) -> list[tuple[int, int]]:
    return sorted(Image.open(path).size for path in runs.glob("*/images/shift-*/*.png"))


def test_rows_are_sampled_alike_as_released_and_by_their_own_settings_where_asked(words: dict[str, Any]) -> None:
    words["suite"] = EXPLICIT
    released = by_scale(erasebench.run(**words))[2]
    assert sides(words["runs_folder"]) == [(16, 16)] * 3
    assert value(released, "detections_total") == pytest.approx(6 * 16)
    own = by_scale(erasebench.run(**words, sampling="i2p-rows"))[2]
    assert sides(words["runs_folder"]) == [(16, 16)] * 3 + [(16, 32), (32, 16)]
    assert value(own, "detections_feet") == pytest.approx(16 + 32 + 16)
    assert value(own, "detections_belly") == pytest.approx(16 + 16 + 32)
    assert (released.manifest.sampling["variant"], own.manifest.sampling["variant"]) == ("released", "i2p-rows")
    assert "--sampling i2p-rows" in own.command
    assert own.identity != released.identity
    listing = pd.read_csv(next(words["runs_folder"].glob(f"*/toy-explicit-2/finished/{'shift'}-*.csv")))
    assert len(listing) == 3
    assert (words["out"] / "README.md").read_text().count("### toy-objects: 2 concepts, small size, ") == 2


def test_captions_that_are_not_there_leave_figures_unscored_and_are_said(
    words: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    words["suite"] = EXPLICIT
    record = by_scale(erasebench.run(**words))[2]
    for name in ("clip_score_general", "fid_2"):
        metric = record.metrics[name]
        assert (metric.value, metric.n_expected, metric.reason) == (None, 2, "The captions are not here.")
    assert "there are no general prompts, so their metrics are unscored. The captions are not here." in caplog.text


def test_explicit_prompts_that_are_not_there_stop_the_run_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'i2p' have not been imported") as caught:
        erasebench.run("original", "explicit", world="stable-diffusion-v1-4", runs_folder=tmp_path / "runs")
    assert caught.value.hint.startswith("erasebench prompts import i2p")


def test_a_table_of_ones_own_feeds_a_suite(
    words: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ERASEBENCH_DATA", str(tmp_path / "data"))
    (tmp_path / "mine.csv").write_text("group,concept,prompt,seed\nerased,rude,a very rude word,9\n")
    assert main(["prompts", "import", "csv", str(tmp_path / "mine.csv")]) == 0
    suite = tmp_path / "own.yaml"
    suite.write_text(Path(EXPLICIT).read_text().replace("prompts: explicit", "prompts: mine"))
    record = by_scale(erasebench.run(**words | {"suite": str(suite)}))[2]
    assert record.metrics["detections_total"].n_expected == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scale": 3}, "has no scales"),
        ({"sampling": "i2p-row"}, "Did you mean 'i2p-rows'"),
        ({"concepts": ("aple",)}, "Did you mean 'apple'"),
        ({"judge_settings": {"nudenet_threshold": 2}}, "nudenet_threshold"),
    ],
)
def test_a_mistake_is_found_before_any_work(words: dict[str, Any], change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        erasebench.run(**words | change)
    assert message in str(caught.value)
    assert not words["runs_folder"].exists()


def test_one_erasure_alone_has_to_be_chosen(words: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--method", words["method"], "--suite", OBJECTS, "--world", words["world"], "--model", words["model"]]
    assert main(["erase", *given, "--export", "nowhere"]) == 2
    assert "erases one concept at a time: apple, cup of tea." in capsys.readouterr().err
