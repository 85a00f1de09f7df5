"""The whole job on a toy world: what a run makes, and what of the request decides it."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
from PIL import Image

import erasebench
from erasebench.api.erasure import Erasure
from erasebench.cli import main
from erasebench.results.record import Record
from erasebench.runner.command import command_of
from erasebench.runner.job import plan
from erasebench.runner.request import Request
from tests.runner.toy import TOY, of


def test_a_run_ends_with_records_sheets_and_a_board(words: dict[str, Any], sampled: list[int]) -> None:
    summary = erasebench.run(**words)
    assert [record.method for record in summary.records] == ["original", "shift"]
    assert summary.board == words["out"] / "README.md"
    assert "shift" in summary.board.read_text()
    shift = of(summary, "shift")
    assert Record.read(words["out"] / "results" / f"{shift.id}.json") == shift
    with Image.open(words["out"] / "sheets" / f"{shift.id}.png") as sheet:
        assert sheet.width > 300
    assert sampled == [14, 2, 14]
    assert (shift.concepts, shift.scale, shift.size) == (("Ann Ash", "Bob Bell"), 2, "small")
    assert set(shift.manifest.stages) == {"erase", "sample", "judge"}
    assert all(stage.seconds > 0 for stage in shift.manifest.stages.values())
    assert {"acc_e", "acc_s", "h_c", "no_face_e", "clip_score_general"} <= set(shift.metrics)
    scored = shift.metrics["acc_s"].n_scored
    faceless = shift.metrics["no_face_s"].value
    assert faceless is not None
    assert (scored + round(8 * faceless), shift.metrics["acc_s"].n_expected) == (8, 8)


def test_the_erasure_says_what_the_method_was_told(words: dict[str, Any]) -> None:
    erasebench.run(**words)
    (file,) = words["runs_folder"].glob("toy/toy-2/shift-*/erasure/erasure.json")
    given = json.loads(file.read_text())["record"]["task"]
    assert [concept["name"] for concept in given["concepts"]] == ["Ann Ash", "Bob Bell"]
    assert given["keep"] == ["Eve East", "Gil Gray", "Ida Ives"]
    for secret in ("Fay Ford", "general scene", "A portrait of"):
        assert secret not in file.read_text()


def test_sizes_share_the_erasure(words: dict[str, Any]) -> None:
    erasebench.run(**words)
    erasebench.run(**words, size="full")
    assert len(list(words["runs_folder"].glob("toy/toy-2/shift-*/scratch/begun-*"))) == 1


def test_settings_and_seed_make_another_erasure(words: dict[str, Any]) -> None:
    runs = [
        {},
        {"settings": {"shift.amount": 0.25}},
        {"seed": 1},
        {"settings": {"shift.steps": 5}},
    ]
    ids = [of(erasebench.run(**words, **more, baselines="none"), "shift").identity for more in runs]
    assert len(set(ids[:3])) == 3
    # A runtime setting changes no result.
    assert ids[3] == ids[0]
    assert len(list(words["runs_folder"].glob("toy/toy-2/shift-*"))) == 3


def test_numbers_that_are_no_image_are_unscored(words: dict[str, Any]) -> None:
    record = of(erasebench.run(**words | {"method": TOY + "Overflow"}), "overflow")
    metric = record.metrics["acc_e"]
    assert (metric.value, metric.n_scored, metric.n_expected) == (None, 0, 4)
    assert metric.reason == "the model gave NaN or infinity for 12 of 12 images"
    assert record.status == "done"


def test_no_baseline_where_none_is_wanted(words: dict[str, Any]) -> None:
    assert [record.method for record in erasebench.run(**words, baselines="none").records] == ["shift"]


def test_the_recorded_command_makes_the_record_again(words: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    settings = {"shift.amount": 0.5}
    record = of(erasebench.run(**words, settings=settings, concepts=["Bob Bell"], limit=1, seed=3), "shift")
    program, *arguments = shlex.split(record.command)
    places = ["--out", str(words["out"]), "--runs-folder", str(words["runs_folder"])]
    assert (program, main([*arguments, *places])) == ("erasebench", 0)
    assert f"shift on toy-{record.scale}: already done, nothing to do." in capsys.readouterr().out


def test_the_recorded_command_has_settings_under_the_name_that_was_asked_for() -> None:
    request = Request(methods=("esd",), suites=("celebrity",), settings={"esd.steps": "20"}, baselines="none")
    (job,) = plan(request)
    assert job.chosen.name != "esd"
    assert "--method esd " in command_of(job) and "--set esd.steps=20" in command_of(job)


def test_mace_goes_through_the_whole_path(words: dict[str, Any]) -> None:
    settings = {"mace.steps": 2, "mace.data_steps": 2, "mace.n_images": 2}
    record = of(erasebench.run(**words | {"method": "mace"}, settings=settings, limit=1), "mace")
    assert record.status == "done"
    assert record.manifest.digests["erasure"] != Erasure().digest
    assert record.manifest.config["method"]["steps"] == 2  # type: ignore[index, call-overload]
