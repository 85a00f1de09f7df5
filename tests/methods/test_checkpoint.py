"""Somebody else's erased model: every accepted format gives exactly its tensors, whoever wrote it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import save_file

from erasebench.api.erasure import WEIGHTS_FILE, Erasure
from erasebench.cli import main
from erasebench.diffusion.sampling import Sampler, SampleSpec
from erasebench.errors import UserError
from erasebench.identity import identity_of
from erasebench.methods.checkpoint import CheckpointConfig
from erasebench.methods.esd import EsdConfig, EsdU, EsdX
from erasebench.methods.uce import Uce, UceConfig
from erasebench.testing.workspace import PROFILE, SETTINGS
from tests.methods.checkpoint_files import TEXT, VALUE, read
from tests.methods.closed_form import task_of
from tests.methods.mace.workspace import TestWorkspace
from tests.test_cli import TOY
from tests.tiny_model import tiny_pipeline


@pytest.fixture(scope="module")
def pipeline() -> StableDiffusionPipeline:
    return tiny_pipeline()


def uce(pipeline: StableDiffusionPipeline, folder: Path) -> Erasure:
    return Uce(UceConfig()).erase(pipeline, task_of(), TestWorkspace(pipeline, folder))


@pytest.fixture(scope="module")
def edits(pipeline: StableDiffusionPipeline, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Erasure]:
    """Edits of our own, by method."""
    config = EsdConfig(steps=2, batch_size=2, ddim_steps=4)
    made = {"uce": uce(pipeline, tmp_path_factory.mktemp("uce"))}
    for method in (EsdX, EsdU):
        workspace = TestWorkspace(pipeline, tmp_path_factory.mktemp(method.name))
        made[method.name] = method(config).erase(pipeline, task_of(), workspace)
    return made


def assert_same(found: Erasure, expected: Erasure) -> None:
    assert set(found.tensors) == set(expected.tensors)
    assert all(torch.equal(found.tensors[name], value) for name, value in expected.tensors.items())
    assert found.digest == expected.digest


def images(erasure: Erasure, pipeline: StableDiffusionPipeline) -> list[bytes]:
    with erasure.applied_to(pipeline):
        specs = [SampleSpec("Ada Thorne at noon", 1), SampleSpec("a red ball", 2)]
        return [np.asarray(image).tobytes() for image in Sampler(pipeline, SETTINGS, PROFILE).images(specs)]


@pytest.mark.parametrize("method", ["uce", "esd-x", "esd-u"])
@pytest.mark.parametrize("form", ["pipeline", "unet", "erasure", "release", "pickle"])
def test_an_exported_edit_comes_back_exactly(
    tmp_path: Path, pipeline: StableDiffusionPipeline, edits: dict[str, Erasure], method: str, form: str
) -> None:
    edit = edits[method]
    bare = {name.removeprefix("unet."): value.contiguous() for name, value in edit.tensors.items()}
    if form in ("pipeline", "unet"):
        edit.export(pipeline, tmp_path / "model")
        path = tmp_path / "model" / ("unet" if form == "unet" else "")
    elif form == "erasure":
        edit.save(tmp_path / "saved")
        path = tmp_path / "saved" / WEIGHTS_FILE
    elif form == "release":
        path = tmp_path / "release.safetensors"
        save_file(bare, path)
    else:
        path = tmp_path / "release.pt"
        torch.save({"state_dict": bare, "epoch": 3}, path)
    found = read(path, pipeline)
    assert_same(found, edit)
    assert images(found, pipeline) == images(edit, pipeline) != images(Erasure(), pipeline)


def test_a_module_by_module_pickle_is_read(tmp_path: Path, pipeline: StableDiffusionPipeline) -> None:
    module, _, leaf = VALUE.rpartition(".")
    torch.save({f"unet.{module}": {leaf: torch.zeros(16, 32)}}, tmp_path / "esd.pt")
    assert_same(read(tmp_path / "esd.pt", pipeline), Erasure({f"unet.{VALUE}": torch.zeros(16, 32)}))


@pytest.mark.parametrize("key", [f"text_encoder.{TEXT}", f"text_encoder.text_model.{TEXT}", f"text_model.{TEXT}", TEXT])
def test_a_text_encoders_names_are_read_with_and_without_prefix(
    tmp_path: Path, pipeline: StableDiffusionPipeline, key: str
) -> None:
    edited = pipeline.text_encoder.get_parameter(TEXT).detach() + 1
    constant = torch.arange(77)[None]
    save_file({key: edited, "text_model.embeddings.position_ids": constant}, tmp_path / "text.safetensors")
    assert_same(read(tmp_path / "text.safetensors", pipeline), Erasure({f"text_encoder.{TEXT}": edited}))


def test_rounding_to_half_precision_is_no_change(tmp_path: Path, pipeline: StableDiffusionPipeline) -> None:
    half = {name: value.detach().half().contiguous() for name, value in pipeline.unet.named_parameters()}
    half[VALUE] = half[VALUE] + 1
    save_file(half, tmp_path / "half.safetensors")
    assert_same(read(tmp_path / "half.safetensors", pipeline), Erasure({f"unet.{VALUE}": half[VALUE].float()}))


def test_a_sharded_u_net_is_read_whole(
    tmp_path: Path, pipeline: StableDiffusionPipeline, edits: dict[str, Erasure]
) -> None:
    edit = edits["esd-u"]
    with edit.applied_to(pipeline):
        pipeline.unet.save_pretrained(tmp_path / "unet", max_shard_size="200KB")
    shards = sorted((tmp_path / "unet").glob("*.safetensors"))
    assert len(shards) > 2
    assert_same(read(tmp_path / "unet", pipeline), edit)
    shards[1].unlink()
    with pytest.raises(UserError, match=f"names {shards[1].name}, which is missing"):
        read(tmp_path / "unet", pipeline)


def test_the_unedited_model_is_an_empty_edit(tmp_path: Path, pipeline: StableDiffusionPipeline) -> None:
    Erasure().export(pipeline, tmp_path / "same")
    found = read(tmp_path / "same", pipeline)
    assert found.tensors == {}
    assert found.record["format"] == "pipeline" and found.record["changed"] == 0


def test_the_files_not_the_path_are_its_identity(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        save_file({VALUE: torch.zeros(16, 32)}, tmp_path / folder / "edit.safetensors")
    one, two = (CheckpointConfig(path=tmp_path / folder / "edit.safetensors") for folder in ("one", "two"))
    assert identity_of(one) == identity_of(two)
    assert identity_of(one) == {"digest": one.digest, "lora_scale": 1.0, "gates": None, "merging": "products"}
    assert CheckpointConfig(path=two.path, digest=one.digest) == two
    save_file({VALUE: torch.ones(16, 32)}, tmp_path / "two" / "edit.safetensors")
    assert CheckpointConfig(path=two.path).digest != one.digest
    with pytest.raises(UserError, match="has the digest"):
        CheckpointConfig(path=two.path, digest=one.digest)


def test_it_runs_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], tiny_model_folder: Path, pipeline: StableDiffusionPipeline
) -> None:
    uce(pipeline, tmp_path).export(pipeline, tmp_path / "theirs")
    places = ["--model", str(tiny_model_folder), "--out", str(tmp_path / "b"), "--runs-folder", str(tmp_path / "runs")]
    words = ["run", "--method", "checkpoint", *TOY, *places, "--limit", "1", "--baselines", "none"]
    assert main([*words, "--set", f"checkpoint.path={tmp_path / 'theirs'}"]) == 0
    assert "checkpoint" in (tmp_path / "b" / "README.md").read_text()
