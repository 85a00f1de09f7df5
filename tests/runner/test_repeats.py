"""Several erasings of one method: each is kept, the board shows their mean, their spread and an interval of both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest

import erasebench
import erasebench.errors
from erasebench.identity import digest
from erasebench.results.record import Record
from erasebench.runner.forecast import forecast
from erasebench.runner.repeats import taken_together
from erasebench.runner.request import Request
from tests import sample_records
from tests.runner.toy import TESTS, TOY, of

LUCKY_ANY = """
from erasebench.api.concepts import EVERY_KIND
from erasebench.api.erasure import Erasure
from erasebench.api.method import Method, MethodConfig

class LuckyAny(Method):
    name = "lucky-any"
    kinds = EVERY_KIND
    Config = MethodConfig

    def edits(self, parameter):
        return parameter.startswith("unet.conv_out.bias")

    def erase(self, pipeline, task, workspace):
        bias = pipeline.unet.conv_out.bias.detach()
        return Erasure({"unet.conv_out.bias": bias + STEP * (workspace.seed % 10)})
"""


@pytest.fixture
def lucky(words: dict[str, Any]) -> dict[str, Any]:
    return words | {"method": TOY + "Lucky", "repeats": 3, "seed": 41}


def test_repeats_are_kept_and_shown_as_one(lucky: dict[str, Any], sampled: list[int]) -> None:
    summary = erasebench.run(**lucky)
    assert [record.method for record in summary.records] == ["original", "lucky"]
    assert len(list((lucky["out"] / "results").glob("*.json"))) == 2
    record = of(summary, "lucky")
    assert Record.read(lucky["out"] / "results" / f"{record.id}.json") == record
    assert [repeat.seed for repeat in record.repeats] == [41, 42, 43]
    assert len({repeat.erasure for repeat in record.repeats}) == 3
    name = "clip_score_general"
    values = [repeat.metrics[name].value for repeat in record.repeats]
    metric = record.metrics[name]
    assert metric.value == pytest.approx(fmean(values))  # type: ignore[type-var, arg-type]
    assert metric.spread == pytest.approx(stdev(values))  # type: ignore[type-var, arg-type]
    assert metric.spread and metric.high is not None and metric.low is not None
    first = record.repeats[0].metrics[name]
    assert metric.high - metric.low > (first.high or 0.0) - (first.low or 0.0)
    assert record.command.endswith("--seed 41 --repeats 3")
    page = (lucky["out"] / "README.md").read_text()
    assert "3 erasings)" in page and ", SD " in page and "- **n erasings**: " in page
    assert "One erasing" not in page
    # The same command again makes nothing; more repeats make only what is new, and take the place of the fewer.
    before = len(sampled)
    assert of(erasebench.run(**lucky), "lucky") == record
    assert len(sampled) == before
    more = of(erasebench.run(**lucky | {"repeats": 4}), "lucky")
    assert len(sampled) == before + 1
    assert [repeat.identity for repeat in more.repeats[:3]] == [repeat.identity for repeat in record.repeats]
    page = (lucky["out"] / "README.md").read_text()
    assert "4 erasings)" in page and "3 erasings)" not in page


def test_a_method_without_luck_says_so_and_is_not_sampled_again(words: dict[str, Any], sampled: list[int]) -> None:
    once = of(erasebench.run(**words), "shift")
    assert "One erasing each. Intervals cover variation between prompts" in (words["out"] / "README.md").read_text()
    sampled.clear()
    record = of(erasebench.run(**words | {"repeats": 2}), "shift")
    assert record.same_under_every_seed
    assert (record.id, record.metrics) == (once.id, once.metrics)
    assert all(metric.spread is None for metric in record.metrics.values())
    # Two pictures that the method asks for; none of the fourteen of the suite.
    assert sampled == [2]
    assert "same under every seed)" in (words["out"] / "README.md").read_text()
    # One erasing more, of the same edit, does not take the place of the record that has several.
    erasebench.run(**words)
    assert Record.read(words["out"] / "results" / f"{record.id}.json") == record


def test_a_seed_that_fails_is_named_and_the_others_stand_alone(
    lucky: dict[str, Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TOY_UNLUCKY", "42")
    summary = erasebench.run(**lucky)
    assert list(summary.failures) == ["lucky on toy-2, seed 42"]
    assert "no mean over seeds, because seed 42 failed" in caplog.text
    alone = [record for record in summary.records if record.method == "lucky"]
    assert [len(record.repeats) for record in alone] == [0, 0]
    # Each with the sheet of its own images.
    sheets = [(lucky["out"] / "sheets" / f"{record.id}.png").read_bytes() for record in alone]
    kept = {path.read_bytes() for path in lucky["runs_folder"].glob("*/*/finished/lucky-*.png")}
    assert len(kept) == 2 and set(sheets) == kept
    monkeypatch.delenv("TOY_UNLUCKY")
    summary = erasebench.run(**lucky)
    assert len(of(summary, "lucky").repeats) == 3
    assert "One erasing" not in (lucky["out"] / "README.md").read_text()


def test_two_files_of_one_method_name_have_an_average_each(
    words: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("erasebench.runner.stages.measured_ratio", lambda *_: 1.0)
    files = []
    for name, step in (("one", "1.5"), ("two", "3.0")):
        (tmp_path / f"{name}.py").write_text(LUCKY_ANY.replace("STEP", step))
        files.append(f"{tmp_path / name}.py:LuckyAny")
    asked = words | {"world": f"{TESTS / 'toy_objects.py'}:ToyObjects", "suite": str(TESTS / "data/toy-objects.yaml")}
    summary = erasebench.run(**asked | {"method": files, "repeats": 2, "baselines": "none"}, limit=1)
    assert not summary.failures
    averages = [each for each in summary.records if str(each.scale) == "average"]
    assert [len(each.repeats) for each in averages] == [2, 2]
    assert len({each.id for each in averages}) == 2
    published = {Record.read(path).id for path in (words["out"] / "results").glob("*average*.json")}
    assert published == {each.id for each in averages}


def test_an_average_that_fails_takes_no_other_with_it(words: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise LookupError("no rows")

    monkeypatch.setattr("erasebench.runner.run.averaged", broken)
    monkeypatch.setattr("erasebench.runner.stages.measured_ratio", lambda *_: 1.0)
    asked = words | {"world": f"{TESTS / 'toy_objects.py'}:ToyObjects", "suite": str(TESTS / "data/toy-objects.yaml")}
    asked |= {"method": f"{TESTS / 'toy_objects.py'}:ShiftAny", "baselines": "none"}
    summary = erasebench.run(**asked, limit=1)
    assert list(summary.failures.values()) == ["LookupError: no rows"]
    assert summary.records and summary.board is not None


def test_a_figure_that_one_seed_lacks_is_unscored_and_says_why() -> None:
    why = "the model gave NaN or infinity for 1 of 256 images"
    one, other = (
        sample_records.record(metrics=sample_records.metrics(0.1, 0.9, 0.9), digests={"erasure": digest(seed)})
        for seed in (1, 2)
    )
    fewer = sample_records.distance(12.0, 255).model_copy(update={"n_expected": 256, "reason": why})
    lacking = {key: each for key, each in other.metrics.items() if key != "fid_mini_256"} | {"fid_mini_255": fewer}
    ((seed, found),) = taken_together("mace", {1: one, 2: other.model_copy(update={"metrics": lacking})})
    assert seed == 1 and "fid_mini_255" not in found.metrics
    metric = found.metrics["fid_mini_256"]
    assert (metric.value, metric.reason) == (None, f"no fid_mini_256 under seed 2: {why}")
    assert found.metrics["clip_score_general"].value == pytest.approx(31.04)


def test_a_dry_run_counts_every_erasing(words: dict[str, Any]) -> None:
    asked = {key: value for key, value in words.items() if key not in ("method", "suite")}
    request = Request(methods=(TOY + "Lucky",), suites=(words["suite"],), **asked)
    said = forecast(request), forecast(replace(request, repeats=3))
    assert "Images in total: 28 " in said[0]
    assert "Images in total: 56 " in said[1]


def test_repeats_below_one_are_refused() -> None:
    with pytest.raises(erasebench.errors.UserError, match="--repeats 0"):
        Request(methods=("mace",), suites=("celebrity",), repeats=0)
