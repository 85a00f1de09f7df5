"""What the checkpoint method does not read, it refuses by name, and runs no code of."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file, save_file

from erasebench.api.erasure import Erasure
from erasebench.cli import main
from erasebench.errors import UserError
from erasebench.methods.checkpoint.tensors import read_tensors
from tests.methods.checkpoint_files import VALUE, read
from tests.test_cli import TOY
from tests.tiny_model import tiny_pipeline


@pytest.fixture(scope="module")
def pipeline() -> StableDiffusionPipeline:
    return tiny_pipeline()


class Code:
    """What a pickle can run when it is opened."""

    def __reduce__(self) -> Any:
        return (Path.touch, (Path("opened"),))


def test_a_pickle_that_runs_code_is_refused_unopened(
    tmp_path: Path, pipeline: StableDiffusionPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil.pt").write_bytes(pickle.dumps({VALUE: Code()}))
    torch.save({VALUE: Code()}, tmp_path / "evil2.pt")
    for name in ("evil.pt", "evil2.pt"):
        with pytest.raises(UserError, match="pickles an object") as caught:
            read(tmp_path / name, pipeline)
        assert ".safetensors" in caught.value.hint
        # What the first look would let through, the reader itself does not open.
        with pytest.raises(UserError, match="more than tensors") as caught:
            read_tensors(tmp_path / name)
        assert "weights_only" not in str(caught.value)
    assert not (tmp_path / "opened").exists()


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({VALUE: torch.zeros(16, 48)}, r"wrong shape: \[16, 48\] in the file, \[16, 32\]"),
        ({"nothing.weight": torch.zeros(1), "more.weight": torch.zeros(1)}, "no parameter 'nothing.weight' and 1 more"),
        ({"model.diffusion_model.input_blocks.0.0.weight": torch.zeros(1)}, r"unet.conv_in.weight has the wrong shape"),
        ({"model.diffusion_model.input_blocks.9.0.weight": torch.zeros(1)}, "no parameter for 'input_blocks.9.0.w"),
        ({VALUE: torch.zeros(16, 32), f"unet.{VALUE}": torch.ones(16, 32)}, "twice with different values"),
        ({VALUE: torch.zeros(16, 32), "ema": {VALUE: torch.ones(16, 32)}}, f"no parameter 'ema.{VALUE}'"),
        ({VALUE: torch.zeros(16, 32), "more": [torch.ones(1)]}, "no parameter 'more.0'"),
        ({VALUE: torch.zeros(16, 32, dtype=torch.int8)}, "int8: quantised"),
        ({VALUE: torch.full((16, 32), float("nan"))}, f"{VALUE} has 512 NaN and 0 infinite values of 512"),
        ({VALUE: torch.full((16, 32), float("-inf"), dtype=torch.float16)}, "has 0 NaN and 512 infinite"),
        ({}, "contains no tensors"),
    ],
)
def test_what_has_no_place_in_the_pipeline_is_named(
    tmp_path: Path, pipeline: StableDiffusionPipeline, tensors: dict[str, Any], message: str
) -> None:
    torch.save(tensors, tmp_path / "file.pt")
    with pytest.raises(UserError, match=message):
        read(tmp_path / "file.pt", pipeline)


def test_an_incomplete_u_net_is_refused(tmp_path: Path, pipeline: StableDiffusionPipeline) -> None:
    pipeline.unet.save_pretrained(tmp_path / "unet")
    file = tmp_path / "unet" / "diffusion_pytorch_model.safetensors"
    save_file({name: value for name, value in load_file(file).items() if name != VALUE}, file)
    with pytest.raises(UserError, match=f"has no unet.{VALUE}"):
        read(tmp_path / "unet", pipeline)


def test_a_pipeline_with_another_autoencoder_is_refused(tmp_path: Path, pipeline: StableDiffusionPipeline) -> None:
    Erasure().export(tiny_pipeline(seed=1), tmp_path / "other")
    with pytest.raises(UserError, match="another autoencoder") as caught:
        read(tmp_path / "other", pipeline)
    assert str(tmp_path / "other" / "unet") in caught.value.hint
    assert len(read(tmp_path / "other" / "unet", pipeline).tensors) > 100


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ([], "checkpoint.path is missing.\n--set checkpoint.path=PATH."),
        (["--set", "checkpoint.path={folder}/nowhere"], "There is nothing at {folder}/nowhere.\n"),
        (["--set", "checkpoint.path={folder}/notes.txt"], "{folder}/notes.txt has no known format.\n"),
        (["--set", "checkpoint.path={folder}"], "The folder {folder} contains no model of a known format.\n"),
        (["--set", "checkpoint.path={folder}/half"], "The folder {folder}/half/unet has no weights.\n"),
        (["--set", "checkpoint.path={folder}/lora"], "The folder {folder}/lora has no weights.\n"),
    ],
)
def test_a_mistaken_path_is_two_lines_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], tiny_model_folder: Path, setting: list[str], message: str
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    for file in ("half/model_index.json", "lora/adapter_config.json"):
        (tmp_path / file).parent.mkdir()
        (tmp_path / file).write_text("{}")
    words = ["run", "--method", "checkpoint", *TOY, "--model", str(tiny_model_folder)]
    assert main([*words, *(word.format(folder=tmp_path) for word in setting)]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith(message.format(folder=tmp_path))
    assert len(printed.err.strip().splitlines()) == 2
