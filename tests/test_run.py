"""The whole job on a toy world: what is done stays done, what is cut short goes on, nothing poisons anything."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import erasebench
from erasebench.cli import main
from erasebench.erasure import Erasure
from erasebench.errors import UserError
from erasebench.record import Record
from erasebench.runner.run import Summary
from erasebench.runner.stages import ROWS_PER_CHUNK
from erasebench.sampling import Sampler

HERE = Path(__file__).parent
TOY = f"{HERE / 'toy_world.py'}:"
SUITE = str(HERE / "data" / "toy.yaml")
DRIVER = HERE / "kill_driver.py"


@pytest.fixture
def words(tmp_path: Path, tiny_model_folder: Path) -> dict[str, Any]:
    """The words of a run that every test starts from."""
    return {
        "method": TOY + "Shift",
        "suite": SUITE,
        "world": TOY + "ToyWorld",
        "model": str(tiny_model_folder),
        "out": tmp_path / "leaderboard",
        "runs_folder": tmp_path / "runs",
    }


@pytest.fixture
def sampled(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images each call of the sampler was asked for."""
    asked: list[int] = []
    images = Sampler.images

    def counted(self: Sampler, shots: Any) -> Any:
        asked.append(len(shots))
        return images(self, shots)

    monkeypatch.setattr(Sampler, "images", counted)
    return asked


def timeless(record: Record) -> dict[str, Any]:
    """A record without what differs from run to run."""
    content = record.model_dump(mode="json")
    del content["manifest"]["stages"]
    return content


def of(summary: Summary, method: str) -> Record:
    return next(record for record in summary.records if record.method == method)


def pixels(runs: Path) -> dict[str, bytes]:
    return {path.name: np.asarray(Image.open(path)).tobytes() for path in runs.glob("*/images/*/*.png")}


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
    assert {"acc_e", "acc_s", "h_c", "no_face_e", "clip_score_general"} <= set(shift.figures)
    scored = shift.figures["acc_s"].n_scored
    faceless = shift.figures["no_face_s"].value
    assert faceless is not None
    assert (scored + round(8 * faceless), shift.figures["acc_s"].n_expected) == (8, 8)


def test_the_erasure_says_what_the_method_was_told(words: dict[str, Any]) -> None:
    erasebench.run(**words)
    (file,) = words["runs_folder"].glob("toy/toy-2/shift-*/erasure/erasure.json")
    told = json.loads(file.read_text())["record"]["task"]
    assert [concept["name"] for concept in told["concepts"]] == ["Ann Ash", "Bob Bell"]
    assert told["keep"] == ["Eve East", "Gil Gray", "Ida Ives"]
    for secret in ("Fay Ford", "general scene", "A portrait of"):
        assert secret not in file.read_text()


def test_a_finished_run_does_nothing(
    words: dict[str, Any], sampled: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    first = erasebench.run(**words)
    before = {path: path.stat().st_mtime_ns for path in words["runs_folder"].rglob("*") if path.is_file()}
    sampled.clear()
    caplog.set_level("INFO", logger="erasebench")
    again = erasebench.run(**words)
    assert again.records == first.records
    assert sampled == []
    assert {path: path.stat().st_mtime_ns for path in words["runs_folder"].rglob("*") if path.is_file()} == before
    assert "shift on toy-2: already done, nothing to do." in caplog.messages


def test_a_finished_run_is_published_again_where_the_leaderboard_is_gone(words: dict[str, Any], tmp_path: Path) -> None:
    erasebench.run(**words)
    summary = erasebench.run(**words | {"out": tmp_path / "other"})
    assert sorted(path.name for path in (tmp_path / "other").iterdir()) == ["README.md", "results", "sheets"]
    assert len(list((tmp_path / "other" / "sheets").iterdir())) == len(summary.records) == 2


def test_a_limit_never_poisons_the_whole(words: dict[str, Any], tmp_path: Path, sampled: list[int]) -> None:
    limited = erasebench.run(**words, limit=1)
    assert all(record.partial for record in limited.records)
    assert of(limited, "shift").figures["acc_e"].n_expected == 1
    sampled.clear()
    whole = erasebench.run(**words)
    assert sampled == [10, 10]
    straight = erasebench.run(**words | {"out": tmp_path / "out2", "runs_folder": tmp_path / "runs2"})
    assert [timeless(record) for record in whole.records] == [timeless(record) for record in straight.records]
    assert pixels(words["runs_folder"]) == pixels(tmp_path / "runs2")
    assert {record.id for record in limited.records}.isdisjoint(record.id for record in whole.records)


def test_the_unedited_model_paints_a_prompt_once(words: dict[str, Any], sampled: list[int]) -> None:
    erasebench.run(**words | {"method": "original"})
    sampled.clear()
    erasebench.run(**words | {"method": "original"}, concepts=("Bob Bell", "Cat Cole"))
    assert sum(sampled) == 4 - 2 + 2 - 2


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


def test_a_changed_image_is_named_set_aside_and_made_again(
    words: dict[str, Any], sampled: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    first = erasebench.run(**words)
    whole = pixels(words["runs_folder"])
    victim = next(iter(words["runs_folder"].glob("toy/images/shift-*/*.png")))
    victim.write_bytes(b"not what was written")
    sampled.clear()
    again = erasebench.run(**words)
    assert sampled == [1]
    assert any(str(victim) in message and "set aside" in message for message in caplog.messages)
    assert (victim.parent / "set-aside" / f"{victim.stem}-0.png").read_bytes() == b"not what was written"
    assert pixels(words["runs_folder"]) == whole
    assert [timeless(record) for record in again.records] == [timeless(record) for record in first.records]


def test_a_run_that_fails_takes_nothing_with_it(words: dict[str, Any]) -> None:
    summary = erasebench.run(**words | {"method": [TOY + "Clumsy", TOY + "Vandal", TOY + "Shift"]})
    assert [record.method for record in summary.records] == ["original", "shift"]
    assert "out of memory, it says" in summary.failures["clumsy on toy-2"]
    assert "left the pipeline changed" in summary.failures["vandal on toy-2"]
    failed = [Record.read(path) for path in (words["out"] / "results").glob("*-clumsy-*.json")]
    assert [(record.status, record.figures) for record in failed] == [("failed", {})]


def test_what_a_vandal_did_reaches_nobody(words: dict[str, Any], tmp_path: Path) -> None:
    mixed = erasebench.run(**words | {"method": [TOY + "Vandal", TOY + "Shift"]})
    alone = erasebench.run(**words | {"out": tmp_path / "out2", "runs_folder": tmp_path / "runs2"})
    assert timeless(of(mixed, "shift")) == timeless(of(alone, "shift"))


def test_numbers_that_are_no_image_are_unscored(words: dict[str, Any]) -> None:
    record = of(erasebench.run(**words | {"method": TOY + "Overflow"}), "overflow")
    figure = record.figures["acc_e"]
    assert (figure.value, figure.n_scored, figure.n_expected) == (None, 0, 4)
    assert record.status == "done"


def test_a_missing_judge_leaves_its_figures_unscored_until_it_is_there(
    words: dict[str, Any], sampled: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    blind = erasebench.run(**words | {"world": TOY + "BlindWorld"})
    figures = of(blind, "shift").figures
    assert figures["acc_e"].value is None
    assert figures["acc_e"].reason == "The recogniser's weights are not here."
    assert figures["clip_score_general"].value is not None
    assert "Put them into the folder." in caplog.text
    sampled.clear()
    seeing = erasebench.run(**words)
    assert sampled == []
    assert of(seeing, "shift").figures["acc_e"].n_scored > 0


def test_no_baseline_where_none_is_wanted(words: dict[str, Any]) -> None:
    assert [record.method for record in erasebench.run(**words, baselines="none").records] == ["shift"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"settings": {"shift.amont": 1}}, "Did you mean 'amount'"),
        ({"settings": {"shft.amount": 1}}, "Did you mean 'shift'"),
        ({"settings": {"amount": 1}}, "names no field"),
        ({"settings": {"shift.amount": "much"}}, "shift.amount"),
        ({"settings": {"shift.steps": 0}}, "greater than or equal to 1"),
        ({"recipe": "as-relased"}, "no recipe 'as-relased'"),
        ({"scale": 3}, "no scale 3"),
        ({"concepts": ("Ann Ach",)}, "Did you mean 'Ann Ash'"),
        ({"limit": 0}, "--limit 0"),
        ({"seed": -1}, "--seed -1"),
        ({"device": "cdua"}, "Did you mean 'cuda"),
        ({"device": "cuda:99"}, "CUDA devices"),
        ({"model": "/no/such/folder/model_index"}, "model_index"),
    ],
)
def test_a_mistake_is_found_before_any_work(words: dict[str, Any], change: dict[str, Any], message: str) -> None:
    if "model" in change:
        change = change | {"world": "stable-diffusion-v1-4"}
    with pytest.raises(UserError) as caught:
        erasebench.run(**words | change)
    assert message in str(caught.value)
    assert not list(words["out"].glob("results/*"))


def test_a_killed_run_goes_on_and_ends_the_same(words: dict[str, Any], tmp_path: Path) -> None:
    places = [words[key] for key in ("model", "out", "runs_folder")]
    for kill in ("erase:2", "put:5", "judge:2"):
        arguments = [sys.executable, str(DRIVER), kill, *map(str, places)]
        assert subprocess.run(arguments, capture_output=True, cwd=HERE.parent, check=False).returncode == -9
    resumed = erasebench.run(**words)
    straight = erasebench.run(**words | {"out": tmp_path / "out2", "runs_folder": tmp_path / "runs2"})
    assert [timeless(record) for record in resumed.records] == [timeless(record) for record in straight.records]
    assert pixels(words["runs_folder"]) == pixels(tmp_path / "runs2")
    assert resumed.failures == {}


def test_a_kill_costs_at_most_a_chunk_of_judgements() -> None:
    assert ROWS_PER_CHUNK <= 256


def test_the_recorded_command_makes_the_record_again(words: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    settings = {"shift.amount": 0.5}
    record = of(erasebench.run(**words, settings=settings, concepts=["Bob Bell"], limit=1, seed=3), "shift")
    program, *arguments = shlex.split(record.command)
    places = ["--out", str(words["out"]), "--runs-folder", str(words["runs_folder"])]
    assert (program, main([*arguments, *places])) == ("erasebench", 0)
    assert f"shift on toy-{record.scale}: already done, nothing to do." in capsys.readouterr().out


def test_mace_goes_through_the_whole_path(words: dict[str, Any]) -> None:
    settings = {"mace.steps": 2, "mace.data_steps": 2, "mace.n_images": 2}
    record = of(erasebench.run(**words | {"method": "mace"}, settings=settings, limit=1), "mace")
    assert record.status == "done"
    assert record.manifest.digests["erasure"] != Erasure().digest
    assert record.manifest.config["method"]["steps"] == 2  # type: ignore[index, call-overload]
