"""How images are sampled, given on the command line: checked, identity, recorded; and what a model cannot make."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import LCMScheduler, UNet2DConditionModel
from safetensors.torch import load_file, save_file

from erasebench.api.world import SCHEDULER_NAMES
from erasebench.board.groups import comparable
from erasebench.cli import main
from erasebench.diffusion.profile import NumericsProfile
from erasebench.diffusion.sampling import cut_prompts
from erasebench.diffusion.schedulers import SCHEDULERS
from erasebench.errors import UserError
from erasebench.identity import digest
from erasebench.results.record import Record
from erasebench.runner.request import Request
from erasebench.runner.workspace import RunWorkspace
from tests.test_cli import TOY
from tests.tiny_model import tiny_pipeline
from tests.toy_world import ToyWorld

SD = ("--world", "stable-diffusion-v1-4")
GIVEN = ["--steps", "3", "--guidance", "1", "--scheduler", "euler-ancestral", "--batch-size", "2"]


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "t.csv"
    path.write_text("prompt,seed\na ship,1\na dog,2\na cat,3\n")
    return path


def sampled(model: Path, prompts: Path, out: Path, *words: str) -> dict[str, bytes]:
    where = ["--model", str(model), "--prompts", str(prompts), "--out", str(out)]
    assert main(["sample", *SD, *where, *words]) == 0
    with (out / "images.csv").open(newline="") as handle:
        return {row["prompt"]: (out / row["file"]).read_bytes() for row in csv.DictReader(handle)}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"steps": 0}, "--steps 0"),
        ({"steps": 1001}, "--steps 1001"),
        ({"guidance": -1.0}, "--guidance -1"),
        ({"guidance": float("nan")}, "--guidance nan"),
        ({"guidance": float("inf")}, "--guidance inf"),
        ({"scheduler": "dim"}, "There is no scheduler 'dim'"),
        ({"batch_size": 0}, "--batch-size 0"),
    ],
)
def test_a_value_that_cannot_be_is_named(given: dict[str, float], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Request(methods=("original",), suites=("celebrity",), **given)  # type: ignore[arg-type]


def test_the_names_are_those_of_the_schedulers() -> None:
    assert tuple(SCHEDULERS) == SCHEDULER_NAMES


def test_each_choice_makes_other_images_and_each_image_its_own(
    tiny_model_folder: Path, prompts: Path, tmp_path: Path
) -> None:
    few = ["--steps", "2", "--batch-size", "2"]
    usual = sampled(tiny_model_folder, prompts, tmp_path / "usual", *few)
    assert usual == sampled(tiny_model_folder, prompts, tmp_path / "again", *few, "--scheduler", "ddim")
    for choice in (["--guidance", "1"], ["--scheduler", "dpmsolver++"], ["--steps", "3"]):
        other = sampled(tiny_model_folder, prompts, tmp_path / choice[1], *few, *choice)
        assert all(other[prompt] != usual[prompt] for prompt in usual)


def test_noise_of_the_steps_is_each_images_own(tiny_model_folder: Path, prompts: Path, tmp_path: Path) -> None:
    whole = sampled(tiny_model_folder, prompts, tmp_path / "whole", *GIVEN)
    prompts.write_text("prompt,seed\na cat,3\na ship,1\n")
    two = sampled(tiny_model_folder, prompts, tmp_path / "two", *GIVEN)
    assert two == {prompt: whole[prompt] for prompt in two}


def test_a_latent_consistency_model_is_sampled_as_asked_and_not_otherwise(
    prompts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline = tiny_pipeline()
    pipeline.unet = UNet2DConditionModel.from_config({**pipeline.unet.config, "time_cond_proj_dim": 32})
    pipeline.scheduler = LCMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    pipeline.save_pretrained(tmp_path / "lcm")
    where = ["--model", str(tmp_path / "lcm"), "--prompts", str(prompts), "--out", str(tmp_path / "o")]
    assert main(["sample", *SD, *where]) == 2
    assert "is a latent-consistency model" in capsys.readouterr().err
    words = ["--steps", "2", "--guidance", "8", "--scheduler", "lcm", "--batch-size", "2"]
    assert len(sampled(tmp_path / "lcm", prompts, tmp_path / "asked", *words)) == 3


def test_the_choice_is_recorded_in_a_table_of_its_own(tiny_model_folder: Path, tmp_path: Path) -> None:
    words = ["run", "--method", "original", *TOY, "--model", str(tiny_model_folder), "--baselines", "none"]
    words += ["--limit", "2", "--runs-folder", str(tmp_path / "runs"), "--out", str(tmp_path / "board")]
    assert main(words) == 0
    assert main([*words, *GIVEN]) == 0
    records = [Record.read(path) for path in (tmp_path / "board" / "results").glob("*.json")]
    usual, other = sorted(records, key=lambda record: record.manifest.sampling["scheduler"])
    assert other.identity != usual.identity
    assert digest(comparable(other)) != digest(comparable(usual))
    assert {key: other.manifest.sampling[key] for key in ("steps", "guidance", "scheduler")} == {
        **{"steps": 3, "guidance": 1.0, "scheduler": "euler-ancestral"}
    }
    assert other.manifest.profile.batch_size == 2
    assert " ".join(GIVEN).replace("--guidance 1 ", "--guidance 1.0 ") in other.command
    saved = json.loads((tiny_model_folder / "scheduler" / "scheduler_config.json").read_text(encoding="utf-8"))
    resolved: Any = other.manifest.config["scheduler"]
    assert resolved["timestep_spacing"] == saved["timestep_spacing"] == "leading"
    assert usual.manifest.prompts_cut == 0


def test_prompts_that_are_cut_are_counted_in_one_line(
    tiny_model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = "a red house near the sea and " * 12
    (tmp_path / "t.csv").write_text("prompt,seed\n" + f"{long},1\n{long},2\na ship,3\n")
    sampled(tiny_model_folder, tmp_path / "t.csv", tmp_path / "o", "--steps", "1")
    printed = "".join(capsys.readouterr())
    assert "1 of 2 prompts are longer than the 77 tokens" in printed
    assert "was truncated" not in printed and "sequence length" not in printed
    assert cut_prompts(tiny_pipeline(), [long, long, "a ship", long + "!"]) == 2


def test_images_that_could_not_be_made_are_counted(
    tiny_model_folder: Path, prompts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = shutil.copytree(tiny_model_folder, tmp_path / "model")
    weights = model / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    tensors["conv_out.bias"] = torch.full_like(tensors["conv_out.bias"], float("nan"))
    save_file(tensors, weights)
    words = ["sample", *SD, "--model", str(model), "--prompts", str(prompts), "--out", str(tmp_path / "o")]
    for _ in range(2):
        assert main([*words, "--steps", "1"]) == 1
        assert "3 of 3 images could not be sampled: the model gave NaN or infinity" in capsys.readouterr().err


@pytest.mark.parametrize("method", ["ca", "fmn", "salun", "esd-x", "spm", "mace"])
def test_a_method_that_cannot_train_on_images_says_so_before_it_samples(
    method: str, tiny_model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = shutil.copytree(tiny_model_folder, tmp_path / "model")
    file = model / "scheduler" / "scheduler_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "prediction_type": "sample"}))
    words = ["erase", "--method", method, *TOY, "--model", str(model), "--runs-folder", str(tmp_path / "runs")]
    assert main([*words, "--export", str(tmp_path / "out.safetensors")]) == 1
    assert "The model predicts 'sample'" in capsys.readouterr().err
    assert not list(tmp_path.glob("runs/**/*.png"))


def test_a_run_says_so_before_the_unedited_model_paints(
    tiny_model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = shutil.copytree(tiny_model_folder, tmp_path / "model")
    file = model / "scheduler" / "scheduler_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "prediction_type": "sample"}))
    words = ["run", "--method", "uce", "--method", "esd-x", *TOY, "--model", str(model)]
    assert main([*words, "--runs-folder", str(tmp_path / "runs"), "--out", str(tmp_path / "out")]) == 2
    assert "esd-x: The model predicts 'sample'" in capsys.readouterr().err
    assert not list(tmp_path.glob("runs/**/*.png"))


def test_training_images_are_sampled_as_the_user_asks(tmp_path: Path) -> None:
    world, pipeline = ToyWorld(tmp_path), tiny_pipeline()
    workspace = RunWorkspace(world, pipeline, NumericsProfile(batch_size=2), seed=0, folder=tmp_path)
    usual = np.asarray(workspace.sample(["a ship"], [1])[0])
    assert np.array_equal(usual, workspace.sample(["a ship"], [1], scheduler="ddim")[0])
    world.sample_with({"scheduler": "euler-ancestral"})
    asked = np.asarray(workspace.sample(["a ship"], [1])[0])
    assert not np.array_equal(asked, usual)
    assert np.array_equal(asked, workspace.sample(["a ship"], [1], scheduler="euler-ancestral")[0])
