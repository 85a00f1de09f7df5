"""`erasebench run --dry-run`: images, disk, hours, what is missing and the hint, before torch or any weights."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import erasebench
from erasebench.api.concepts import Kind
from erasebench.api.method import load_method
from erasebench.cli import main
from erasebench.errors import UserError
from erasebench.prompts.coco import import_coco
from erasebench.runner.forecast import forecast, measured
from erasebench.runner.request import Request
from tests.prompts.test_imports import CAPTIONS

HERE = Path(__file__).parent
TOY = f"{HERE / 'toy_objects.py'}:"
OBJECTS, EXPLICIT = (str(HERE / "data" / f"toy-{name}.yaml") for name in ("objects", "explicit"))

LIGHT = """
import sys
from erasebench.cli import main
assert main(sys.argv[1:]) == 0
assert not {"torch", "diffusers"} & set(sys.modules), "torch was loaded for a forecast"
"""
FULL = {
    # Ten classes of 2,600 rows, most of them shared by the unedited model: 10 x 200, 30 x 200.
    "object": ("original on object-truck, full size: 200 erased, 600 synonyms, 1,800 retain-seen", 8_000),
    "celebrity": ("original on celebrity-10, full size: 250 erased, 2,500 retain-seen, 30,000 general", 32_750),
    "explicit": ("original on explicit-4, full size: 4,703 erased (not there yet), 30,000 general (not", 34_703),
    "style": ("original on style-10, full size: 250 erased, 2,500 retain-seen, 30,000 general", 32_750),
}


@pytest.mark.parametrize("suite", list(FULL))
def test_every_full_size_suite_is_planned_without_torch_or_weights(
    suite: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_HOME", "ERASEBENCH_DATA", "ERASEBENCH_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / name))
    words = ["run", "--method", "original", "--suite", suite, "--world", "stable-diffusion-v1-4", "--dry-run"]
    where = ["--rate", "2", "--runs-folder", str(tmp_path / "runs")]
    command = [sys.executable, "-c", LIGHT, *words, *where]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=HERE.parent).stdout
    line, images = FULL[suite]
    assert line in done
    assert f"Images in total: {images:,}" in done
    assert f"Disk: {images * 512 * 512 * 1.7 / 1e9:.1f} GB" in done
    assert f"Hours: {images / 2 / 3600:.1f} of sampling at 2 images per second" in done
    assert "hf download CompVis/stable-diffusion-v1-4 --local-dir FOLDER --include 'model_index.json'" in done
    assert "--include 'unet/*'" in done and "--exclude '*.bin'" in done
    assert ("prompts import coco" in done) == (suite != "object")
    assert ("prompts import i2p" in done) == (suite == "explicit")
    assert not (tmp_path / "runs").exists()


def request(model: Path, runs: Path, **words: Any) -> Request:
    given = {"methods": (TOY + "ShiftAny",), "suites": (OBJECTS, EXPLICIT), "world": TOY + "ToyObjects", **words}
    return Request(model=str(model), runs_folder=runs, **given)


def test_the_unedited_model_paints_once_what_its_runs_share(tmp_path: Path, tiny_model_folder: Path) -> None:
    text = forecast(request(tiny_model_folder, tmp_path / "runs"), rate=1)
    # Each class: 3 of its own, 2 of its synonym, 2 of each other class; shift paints 9 a class, then 3 and 2 captions.
    original = 2 * 3 + 2 * 2 + 2 * 1 + 3 + 2
    assert f"Images in total: {original + 2 * 9 + 3 + 2:,}" in text
    assert "shift on toy-explicit-2, small size: 3 erased, 2 general (not there yet)" in text
    assert "- The captions are not here.\n  Import them." in text
    # One of each group: three classes, two synonyms; 4 a class by shift; an explicit prompt and a caption by both.
    limited = forecast(request(tiny_model_folder, tmp_path / "runs", limit=1), rate=1)
    assert f"Images in total: {3 + 2 + 2 * 4 + 2 * (1 + 1)}" in limited


def test_rows_of_their_own_size_take_their_own_room(tmp_path: Path, tiny_model_folder: Path) -> None:
    from erasebench.runner.forecast import disk_of, images_of
    from erasebench.runner.job import plan

    words: dict[str, Any] = {"suites": (EXPLICIT,), "baselines": "none"}
    by_variant = {}
    for sampling in ("released", "i2p-rows"):
        jobs = plan(request(tiny_model_folder, tmp_path / "runs", sampling=sampling, **words), forecast=True)
        assert images_of(jobs) == 3 + 2
        by_variant[sampling] = disk_of(jobs, jobs[0].world.sampling, None)
    assert by_variant["i2p-rows"] / by_variant["released"] == pytest.approx((1 + 2 + 2 + 2) / 5)


def test_hours_are_reckoned_from_what_was_made_before(tmp_path: Path, tiny_model_folder: Path) -> None:
    asked = request(tiny_model_folder, tmp_path / "runs", suites=(OBJECTS,), methods=("original",))
    assert "Hours: not known yet; give --rate" in forecast(asked)
    erasebench.run(
        "original", OBJECTS, world=asked.world, model=asked.model, runs_folder=asked.runs_folder, out=tmp_path / "board"
    )
    known = measured(tmp_path / "runs" / "toy-objects" / "images")
    assert known is not None
    assert known.images == 12
    assert known.size > 100
    assert f"at {1 / known.seconds:.2g} images per second, the mean over 12 images made here" in forecast(asked)


def test_an_import_is_no_longer_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ERASEBENCH_DATA", str(tmp_path / "data"))
    (tmp_path / "captions.json").write_text(json.dumps(CAPTIONS))
    for image in CAPTIONS["images"]:
        (tmp_path / image["file_name"]).touch()
    import_coco(tmp_path / "captions.json", images=tmp_path, n=4)
    asked = Request(methods=("original",), suites=("celebrity",), world="stable-diffusion-v1-4")
    text = forecast(asked, rate=1)
    assert "2,500 retain-seen, 4 general" in text
    assert "prompts import coco" not in text


def missing_of(method: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> str:
    for name in ("HF_HOME", "ERASEBENCH_DATA", "ERASEBENCH_CACHE"):
        monkeypatch.setenv(name, str(folder / name))
    asked = Request(methods=(method,), suites=("object",), world="stable-diffusion-v1-4", concepts=("bird",))
    return forecast(asked, rate=1).partition("Missing, and how to get it:")[2]


@pytest.mark.parametrize(("method", "segments"), [("mace", True), ("uce", False), ("original", False)])
def test_a_segmenter_is_missing_where_a_method_segments(
    method: str, segments: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ("Grounding DINO" in missing_of(method, monkeypatch, tmp_path)) == segments


@pytest.mark.parametrize(
    ("kind", "fusion", "segments"),
    [("person", "closed-form", True), ("style", "closed-form", False), ("object", "refinement-only", False)],
)
def test_mace_segments_where_it_trains_on_masks(kind: Kind, fusion: str, segments: bool) -> None:
    method = load_method("mace")
    config = method.recipe(world="toy", kind=kind, n_concepts=1).model_copy(update={"fusion": fusion})
    assert method(config).segments_for(kind) == segments


@pytest.mark.parametrize(("method", "erases"), [("salun", True), ("original", False)])
def test_a_prior_without_captions_is_missing_where_something_is_erased(
    method: str, erases: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "Methods that preserve a prior of captions erase without it.\n  erasebench prompts import coco --annotations"
    assert (said in missing_of(method, monkeypatch, tmp_path)) == erases
    (tmp_path / "captions.json").write_text(json.dumps(CAPTIONS))
    import_coco(tmp_path / "captions.json", n=4)
    assert "preserve a prior" not in missing_of(method, monkeypatch, tmp_path)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan")])
def test_a_rate_that_is_none_is_named(rate: float) -> None:
    with pytest.raises(UserError, match="is not above 0"):
        forecast(Request(methods=("original",), suites=("celebrity",)), rate)


def test_a_rate_without_a_dry_run_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--method", "original", "--suite", "celebrity", "--rate", "3"]) == 2
    assert "Give --dry-run with it" in capsys.readouterr().err


PLAN = """
runs:
  - {methods: [uce], suites: [object], concepts: [bird]}
  - {methods: [uce], suites: [object], concepts: [bird], settings: {uce.ridge: 2.0}}
  - {methods: [uce, np], suites: [object], concepts: [bird]}
"""


def test_a_plan_is_forecast_whole_and_what_is_missing_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("HF_HOME", "ERASEBENCH_DATA", "ERASEBENCH_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / name))
    (tmp_path / "plan.yaml").write_text(PLAN)
    where = ["--world", "stable-diffusion-v1-4", "--runs-folder", str(tmp_path / "runs"), "--rate", "1"]
    assert main(["run", "--plan", str(tmp_path / "plan.yaml"), "--dry-run", *where]) == 0
    out = capsys.readouterr().out
    # The unedited model, uce, uce with another ridge, np: 2,600 images each (200, three synonyms and nine classes).
    assert "Images in total: 10,400" in out
    assert [line.partition(",")[0] for line in out.splitlines() if line.endswith("1,800 retain-seen")] == [
        "original on object-bird",
        "uce on object-bird",
        "uce on object-bird uce.ridge=2.0",
        "np on object-bird",
    ]
    assert out.count("is not in the local hub cache") == 1
    assert "The judge clip-accuracy cannot run" in out


def test_all_that_is_missing_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Model, judges' weights, FID's network and photographs, prompts, the prior's captions, the segmenter."""
    for name in ("HF_HOME", "ERASEBENCH_DATA", "ERASEBENCH_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / name))
    words: dict[str, Any] = {"methods": ("mace",), "world": "stable-diffusion-v1-4", "baselines": "none"}
    said = forecast(Request(suites=("celebrity", "explicit"), **words), rate=1).partition("Missing")[2]
    for part in (
        *("is not in the local hub cache", "Giphy's celebrity detector", "CLIP ViT-B/32", "FID's Inception network"),
        *("prompts 'coco' have not been imported", "prompts 'i2p' have not been imported", "preserve a prior"),
        *("Grounding DINO", "SAM"),
    ):
        assert part in said, part
    assert "The judge fid cannot run" in said
    fid = next(line for line in said.splitlines() if "The judge fid" in line)
    assert "Inception" in fid and "have not been imported" in fid
