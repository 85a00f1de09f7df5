"""What the field releases is read as it was written: CompVis's names, wrappers, text encoders, variants, labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import save_file
from torch import Tensor

import erasebench
from erasebench.api.erasure import Erasure
from erasebench.errors import UserError
from erasebench.methods.checkpoint import CheckpointConfig
from erasebench.results.record import Record
from tests.methods.checkpoint_files import TEXT, VALUE, parameter, read
from tests.methods.compvis_names import compvis_name
from tests.tiny_model import tiny_pipeline, write_tiny_model

PREFIX = "model.diffusion_model."


@pytest.fixture(scope="module")
def pipeline() -> StableDiffusionPipeline:
    return tiny_pipeline()


@pytest.fixture(scope="module")
def other() -> StableDiffusionPipeline:
    """Another model of the same shape, so that every parameter differs from every other."""
    return tiny_pipeline(seed=1)


def unet_of(pipeline: StableDiffusionPipeline, prefix: str = PREFIX) -> dict[str, Tensor]:
    layers = pipeline.unet.config["layers_per_block"]
    named = pipeline.unet.named_parameters()
    return {prefix + compvis_name(name, layers): value.detach().clone() for name, value in named}


def assert_is_unet(found: Erasure, other: StableDiffusionPipeline) -> None:
    expected = {f"unet.{name}": value for name, value in other.unet.named_parameters()}
    own = {f"unet.{name}": value for name, value in tiny_pipeline().unet.named_parameters()}
    differ = {name for name, value in expected.items() if not torch.equal(value, own[name])}
    assert set(found.tensors) == differ and len(differ) > 60
    assert all(torch.equal(found.tensors[name], expected[name]) for name in differ)


@pytest.mark.parametrize("prefix", [PREFIX, "diffusion_model.", ""])
@pytest.mark.parametrize("suffix", [".ckpt", ".pt", ".safetensors"])
def test_a_compvis_u_net_is_read_whole(
    tmp_path: Path, pipeline: StableDiffusionPipeline, other: StableDiffusionPipeline, prefix: str, suffix: str
) -> None:
    file, tensors = tmp_path / f"esd{suffix}", unet_of(other, prefix)
    if suffix == ".safetensors":
        save_file(tensors, file)
    else:
        torch.save({"state_dict": tensors, "global_step": 1000} if suffix == ".ckpt" else tensors, file)
    found = read(file, pipeline)
    assert found.record["format"] == "tensors (CompVis)"
    assert_is_unet(found, other)


@pytest.mark.parametrize("wrapper", ["state_dict", "delta_state_dict", "unet", "model"])
def test_a_compvis_delta_of_cross_attention_alone_is_read(
    tmp_path: Path, pipeline: StableDiffusionPipeline, other: StableDiffusionPipeline, wrapper: str
) -> None:
    delta = {key: value for key, value in unet_of(other).items() if "attn2.to_k" in key or "attn2.to_v" in key}
    torch.save({wrapper: delta, "modifier_token": {}}, tmp_path / "delta.ckpt")
    found = read(tmp_path / "delta.ckpt", pipeline)
    expected = {f"unet.{n}": v for n, v in other.unet.named_parameters() if "attn2.to_k" in n or "attn2.to_v" in n}
    assert set(found.tensors) == set(expected)
    assert all(torch.equal(found.tensors[name], value) for name, value in expected.items())


def test_a_whole_compvis_checkpoint_brings_its_text_encoder(
    tmp_path: Path, pipeline: StableDiffusionPipeline, other: StableDiffusionPipeline
) -> None:
    text = other.text_encoder.get_parameter(TEXT).detach()
    tensors: dict[str, Any] = unet_of(other) | {
        f"cond_stage_model.transformer.text_model.{TEXT}": text,
        "cond_stage_model.transformer.text_model.embeddings.position_ids": torch.arange(77)[None],
        "alphas_cumprod": pipeline.scheduler.alphas_cumprod,
        "betas": torch.zeros(1000),
        "sqrt_alphas_cumprod": torch.zeros(1000),
    }
    average = {f"model_ema.{key.removeprefix('model.').replace('.', '')}": v for key, v in unet_of(other).items()}
    torch.save({"state_dict": tensors | average, "optimizer_states": [{"x": torch.zeros(1)}]}, tmp_path / "sd.ckpt")
    found = read(tmp_path / "sd.ckpt", pipeline)
    assert torch.equal(found.tensors[f"text_encoder.{TEXT}"], text)
    assert len(found.tensors) > 60
    first = next(iter(average))
    torch.save({"state_dict": tensors | average | {first: average[first] + 1}}, tmp_path / "ema.ckpt")
    with pytest.raises(UserError, match="running average"):
        read(tmp_path / "ema.ckpt", pipeline)
    torch.save(tensors | {"alphas_cumprod": torch.linspace(1, 0, 1000)}, tmp_path / "schedule.ckpt")
    with pytest.raises(UserError, match="another noise schedule"):
        read(tmp_path / "schedule.ckpt", pipeline)


@pytest.mark.parametrize("wrapper", ["state_dict", "model", "module", "unet", "model.state_dict"])
def test_what_trainers_wrap_weights_in_is_taken_off(
    tmp_path: Path, pipeline: StableDiffusionPipeline, wrapper: str
) -> None:
    content: Any = {VALUE: torch.zeros(16, 32)}
    for level in reversed(wrapper.split(".")):
        content = {level: content, "epoch": 3}
    torch.save(content, tmp_path / "wrapped.pt")
    found = read(tmp_path / "wrapped.pt", pipeline)
    assert list(found.tensors) == [f"unet.{VALUE}"] and not found.tensors[f"unet.{VALUE}"].any()


def test_a_text_encoders_folder_is_read(
    tmp_path: Path, pipeline: StableDiffusionPipeline, other: StableDiffusionPipeline
) -> None:
    other.text_encoder.save_pretrained(tmp_path / "encoder")
    found = read(tmp_path / "encoder", pipeline)
    assert found.record["format"] == "text_encoder"
    assert torch.equal(found.tensors[f"text_encoder.{TEXT}"], other.text_encoder.get_parameter(TEXT))
    with found.applied_to(pipeline):
        assert torch.equal(pipeline.text_encoder.get_parameter(TEXT), other.text_encoder.get_parameter(TEXT))


def test_equal_copies_in_a_text_encoders_file_are_one_and_unequal_ones_are_refused(
    tmp_path: Path, pipeline: StableDiffusionPipeline
) -> None:
    value = torch.ones_like(pipeline.text_encoder.get_parameter(TEXT))
    keys = [f"text_encoder.text_model.{TEXT}", f"text_model.{TEXT}", f"module.text_encoder.text_model.{TEXT}"]
    torch.save({key: value.clone() for key in keys}, tmp_path / "encoder.pt")
    assert list(read(tmp_path / "encoder.pt", pipeline).tensors) == [f"text_encoder.{TEXT}"]
    torch.save({keys[0]: value, keys[1]: value * 2}, tmp_path / "unequal.pt")
    with pytest.raises(UserError, match=f"as '{keys[0]}' and as '{keys[1]}'".replace(".", r"\.")):
        read(tmp_path / "unequal.pt", pipeline)


@pytest.mark.parametrize("shards", [None, "100KB"])
def test_a_folder_of_half_precision_alone_is_read(
    tmp_path: Path, pipeline: StableDiffusionPipeline, other: StableDiffusionPipeline, shards: str | None
) -> None:
    half = tiny_pipeline(seed=1)
    half.vae = tiny_pipeline().vae
    more = {} if shards is None else {"max_shard_size": shards}
    half.to(torch.float16).save_pretrained(tmp_path / "half", variant="fp16", **more)
    half.unet.save_pretrained(tmp_path / "half" / "unet", variant="fp16", **more)
    assert not list((tmp_path / "half" / "unet").glob("diffusion_pytorch_model.safetensors"))
    found = read(tmp_path / "half", pipeline)
    assert torch.equal(found.tensors[f"unet.{VALUE}"], parameter(other, VALUE).half().float())
    assert f"text_encoder.{TEXT}" in found.tensors


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("unet/config.json", {"attention_head_dim": 4}, "attention_head_dim is 4, but 2 in the world's model"),
        ("scheduler/scheduler_config.json", {"prediction_type": "v_prediction"}, "prediction_type"),
        ("text_encoder/config.json", {"hidden_act": "gelu"}, "hidden_act"),
    ],
)
def test_a_folder_whose_config_makes_another_model_of_the_same_weights_is_refused(
    tmp_path: Path, pipeline: StableDiffusionPipeline, file: str, change: dict[str, Any], message: str
) -> None:
    path = write_tiny_model(tmp_path / "model") / file
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(UserError, match=message):
        read(tmp_path / "model", pipeline)


def test_the_folder_of_another_component_is_named(tmp_path: Path, pipeline: StableDiffusionPipeline) -> None:
    pipeline.vae.save_pretrained(tmp_path / "vae")
    with pytest.raises(UserError, match="neither a U-Net nor a text encoder but AutoencoderKL"):
        CheckpointConfig(path=tmp_path / "vae")


def test_rows_are_called_by_their_labels_and_a_new_label_makes_nothing_anew(
    tmp_path: Path, pipeline: StableDiffusionPipeline, tiny_model_folder: Path
) -> None:
    file = tmp_path / "edit.safetensors"
    save_file({VALUE: parameter(pipeline, VALUE) * 2}, file)

    def run(label: str | None) -> Record:
        settings = {"checkpoint.path": file} | ({"checkpoint.label": label} if label else {})
        summary = erasebench.run(
            "checkpoint",
            "celebrity",
            world="stable-diffusion-v1-4",
            model=str(tiny_model_folder),
            scale=1,
            limit=1,
            settings=settings,
            baselines="none",
            out=tmp_path / "board",
            runs_folder=tmp_path / "runs",
        )
        (record,) = summary.records or [None]
        assert record is not None, summary.failures
        return record

    first = run("ESD Van Gogh")
    finished = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("images/*/*.png")}
    again = run("ours v2")
    assert (first.label, again.label, again.id) == ("ESD Van Gogh", "ours v2", first.id)
    assert "checkpoint.label=ours v2" in again.command
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("images/*/*.png")} == finished
    page = (tmp_path / "board" / "README.md").read_text()
    assert "ours v2 (checkpoint)" in page and "ESD Van Gogh" not in page


@pytest.mark.parametrize("label", ["", "a|b", "![x](y)", "../up", "<b>", "a\nb", "x" * 49])
def test_a_label_that_no_table_can_hold_is_refused(tmp_path: Path, label: str) -> None:
    with pytest.raises(UserError, match="cannot be the name of a row"):
        CheckpointConfig(label=label)
