"""Stand-ins of all that the Stable Diffusion world needs: they are told from the real ones, and a run works on them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import erasebench
from erasebench.api.judge_settings import JudgeSettings
from erasebench.api.world import World
from erasebench.cli import main
from erasebench.errors import UserError
from erasebench.files.stand_ins import MARK, is_stand_in, says_so
from erasebench.files.weights import weights_folder
from erasebench.prompts.imports import load_import
from erasebench.results.record import Record
from erasebench.testing.standins import __main__ as command
from erasebench.testing.standins.folder import CLIP_NAME, MODEL, options, variables, write_all
from erasebench.testing.standins.thin import thin
from erasebench.worlds.stable_diffusion.world import StableDiffusionWorld
from tests.tiny_model import write_tiny_model

PARTS = {"model", "segmenter", "face-id", "clip-score", "clip-accuracy", "fid"}
"""All but NudeNet, whose package brings the real weights."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Treat it as read-only."""
    made = tmp_path_factory.mktemp("stand-ins") / "all"
    write_all(made)
    return made


@pytest.fixture
def within(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder, with the environment under which it is used."""
    for name, value in variables(folder).items():
        monkeypatch.setenv(name, value)
    return folder


def world_in(folder: Path) -> StableDiffusionWorld:
    world = StableDiffusionWorld(str(folder / MODEL))
    world.judge_settings = JudgeSettings(clip=weights_folder() / CLIP_NAME, trust_torchscript=True)
    return world


def test_nothing_is_missing_and_every_part_says_what_it_is(within: Path) -> None:
    world = world_in(within)
    parts = [*world.judges, "model", "segmenter", "prior"]
    assert {part: trouble for part in parts if (trouble := world.missing(part))} == {}
    assert {part for part in parts if world.stands_in(part)} == PARTS
    assert says_so(row.prompt for row in world.general_prompts())
    assert all(MARK in caption for caption in world.prior_captions())
    assert says_so(row.prompt for row in world.explicit_prompts())
    assert {world.cannot_judge("face-id", name) for name in world.concept_lists.all_names("person")} == {None}


def test_everything_is_small(folder: Path) -> None:
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 20e6


def test_a_copy_under_another_name_is_told_too(within: Path, tmp_path: Path) -> None:
    (tmp_path / "sd14").mkdir()
    for name in ("model_index.json", "unet", "vae", "text_encoder", "tokenizer", "scheduler"):
        source = within / MODEL / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / "sd14" / name)
    copied = StableDiffusionWorld(str(tmp_path / "sd14"))
    clip = shutil.copy(weights_folder() / CLIP_NAME, tmp_path / "ViT-B-32.pt")
    copied.judge_settings = JudgeSettings(
        clip=Path(clip),
        gcd_resources=Path(shutil.copytree(weights_folder() / "gcd", tmp_path / "resources")),
        trust_torchscript=True,
    )
    assert copied.stands_in("model") and copied.stands_in("clip-score") and copied.stands_in("face-id")


def test_what_carries_no_mark_is_none(tmp_path: Path, tiny_model_folder: Path) -> None:
    world = StableDiffusionWorld(str(tiny_model_folder))
    assert not any(world.stands_in(part) for part in [*world.judges, "model", "segmenter", "no such part"])
    assert not is_stand_in(tmp_path / "missing")
    assert not says_so(["a photo of the ship"])
    large = tmp_path / "large"
    large.write_bytes(bytes(200_000) + MARK.encode() + bytes(200_000))
    assert not is_stand_in(large), "the middle of weights is not read"


def test_weights_saved_anew_without_the_header_lose_the_mark_and_the_model_keeps_it(
    within: Path, tmp_path: Path
) -> None:
    copied = Path(shutil.copytree(within / MODEL, tmp_path / "copied"))
    unet = copied / "unet" / "diffusion_pytorch_model.safetensors"
    save_file(load_file(unet), unet, metadata={"format": "pt"})
    assert not is_stand_in(unet) and StableDiffusionWorld(str(copied)).stands_in("model")


def test_thin_weights_fill_a_shape_and_take_the_place_of_a_line(tmp_path: Path) -> None:
    weights = thin(torch.Size((300, 20, 3, 3)), torch.Generator().manual_seed(1))
    assert weights.shape == (300, 20, 3, 3) and weights.std() == pytest.approx(180**-0.5, rel=0.1)
    assert len({tuple(row) for row in weights.flatten(1).tolist()}) == 300
    torch.save(weights, tmp_path / "weights.pt")
    assert (tmp_path / "weights.pt").stat().st_size < weights.numel()
    assert torch.equal(torch.load(tmp_path / "weights.pt", weights_only=True), weights)


def test_the_users_own_places_are_left_alone(folder: Path) -> None:
    with pytest.raises(UserError, match="have not been imported"):
        load_import("coco")
    assert not weights_folder().is_relative_to(folder)


def test_the_command_prints_what_to_run_and_takes_no_folder_that_has_something(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = command._said(folder)
    assert f"export ERASEBENCH_CACHE={folder / 'cache'}" in said and f"--model {folder / MODEL}" in said
    assert "is no result, and no board shows it" in said
    assert command.main(["--out", str(folder)]) == 2
    assert "is not an empty folder" in capsys.readouterr().err


def test_a_run_on_a_stand_in_is_told_and_not_shown(
    toy_words: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    toy_words["model"] = str(write_tiny_model(tmp_path / "model"))
    (real,) = erasebench.run(**toy_words, baselines="none").records
    assert real.stand_ins == ()
    shown = (toy_words["out"] / "README.md").read_text()
    assert real.id in shown and "stand-in" not in shown
    monkeypatch.setattr(World, "stands_in", lambda self, what: what == "model")
    words = [f"--{name.replace('_', '-')}={value}" for name, value in toy_words.items()]
    assert main(["run", *words, "--baselines=none", "--seed=7"]) == 0
    said = capsys.readouterr().out
    assert "1 record made with stand-ins (model)" in said and "\nRecord: " in said
    path = Path(said.partition("Record: ")[2].splitlines()[0])
    assert Record.read(path).stand_ins == ("model",)
    assert path.stem not in (toy_words["out"] / "README.md").read_text()


@pytest.mark.slow
def test_the_whole_path_of_a_run_works_on_them(
    within: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = ["--out", str(tmp_path / "results"), "--runs-folder", str(tmp_path / "runs")]
    asked = ["--method", "uce", "--suite", "celebrity", "--limit", "2", "--steps", "2", "--baselines", "none"]
    assert main(["run", *asked, *options(within), *places]) == 0
    (path,) = (tmp_path / "results" / "results").glob("*.json")
    record = Record.read(path)
    assert record.stand_ins == ("clip-score", "face-id", "fid", "model", "prompts")
    assert json.loads(path.read_text())["stand_ins"] == list(record.stand_ins)
    assert all(record.metrics[name].value is not None for name in ("acc_e", "clip_score_general", "kid_2"))
    board = (tmp_path / "results" / "README.md").read_text()
    assert "1 record made with stand-ins" in board and record.id not in board
    assert f"Record: {path}" in capsys.readouterr().out
