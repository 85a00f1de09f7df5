"""A model that cannot be used is refused when its folder is opened; one that is saved in another way is read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from erasebench.api.world import load_world
from erasebench.cli import main
from erasebench.errors import UserError
from erasebench.families.loading import load_pipeline
from erasebench.families.model_folder import checked_folder, few_steps, latent_size, read_files, variant
from erasebench.families.single_file import file_model
from erasebench.runner.forecast import sampling_of
from tests.tiny_model import tiny_pipeline

LCM = {"_class_name": "LCMScheduler"}
TURBO = {"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "trailing"}
ZERO_SNR = {**TURBO, "rescale_betas_zero_snr": True, "prediction_type": "v_prediction"}


@pytest.fixture
def model(tiny_model_folder: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_model_folder, tmp_path / "model")


def patch(folder: Path, file: str, **values: Any) -> None:
    content = json.loads((folder / file).read_text(encoding="utf-8"))
    (folder / file).write_text(json.dumps({**content, **values}))


@pytest.mark.parametrize(
    ("file", "values", "message"),
    [
        ("unet/config.json", {"in_channels": 9}, "takes 9 channels, as an inpainting model's does"),
        ("unet/config.json", {"in_channels": 8}, "InstructPix2Pix"),
        ("unet/config.json", {"in_channels": 16}, "takes 16 channels, but the autoencoder has 4"),
        ("unet/config.json", {"out_channels": 8}, "returns 8 channels"),
        ("unet/config.json", {"addition_embed_type": "text_time"}, "addition_embed_type: text_time"),
        ("unet/config.json", {"sample_size": None}, "sample_size is null"),
        ("unet/config.json", {"sample_size": [64]}, r"sample_size is \[64\]"),
        ("text_encoder/config.json", {"model_type": "t5"}, "has the type t5, not CLIP's"),
        (
            "scheduler/scheduler_config.json",
            {"_class_name": "FlowMatchEulerDiscreteScheduler"},
            "does not belong to Stable Diffusion's",
        ),
        ("scheduler/scheduler_config.json", {"prediction_type": "flow_prediction"}, "predicts 'flow_prediction'"),
        ("model_index.json", {"_class_name": "StableDiffusionXLPipeline"}, "contains a StableDiffusionXLPipeline"),
        ("model_index.json", {"_class_name": "StableDiffusion3Pipeline"}, "contains a StableDiffusion3Pipeline"),
        (
            "model_index.json",
            {"text_encoder": ["transformers", "XLMRobertaModel"]},
            "text_encoder is a XLMRobertaModel",
        ),
    ],
)
def test_a_legal_config_that_cannot_be_used_is_refused_on_opening(
    model: Path, file: str, values: dict[str, Any], message: str
) -> None:
    patch(model, file, **values)
    with pytest.raises(UserError, match=message):
        load_world("stable-diffusion-v1-4", str(model))


def test_a_pair_is_height_and_width(model: Path) -> None:
    patch(model, "unet/config.json", sample_size=[8, 4])
    world = load_world("stable-diffusion-v1-4", str(model))
    assert latent_size(model) == (8, 4)
    assert (world.sampling.height, world.sampling.width) == (16, 8)


@pytest.mark.parametrize("half", ["fp16", "bf16"])
def test_half_precision_files_are_read_where_they_alone_are_there(
    tmp_path: Path, half: str, caplog: pytest.LogCaptureFixture
) -> None:
    dtype = {"fp16": torch.float16, "bf16": torch.bfloat16}[half]
    tiny_pipeline().to(dtype=dtype).save_pretrained(tmp_path / "half", variant=half)
    assert variant(tmp_path / "half" / "unet") == half
    read = {path.name for path in read_files(tmp_path / "half")}
    assert f"diffusion_pytorch_model.{half}.safetensors" in read
    loaded = load_pipeline(checked_folder(tmp_path / "half"))
    assert f"has only half-precision weights of unet ({half})" in caplog.text
    wanted = tiny_pipeline().to(dtype=dtype).unet.state_dict()
    assert all(torch.equal(value, wanted[name].float()) for name, value in loaded.unet.state_dict().items())


def test_half_precision_files_beside_the_usual_ones_are_left_alone(model: Path) -> None:
    before = read_files(model)
    tiny_pipeline(1).to(dtype=torch.float16).save_pretrained(model, variant="fp16")
    assert variant(model / "unet") is None
    assert read_files(model) == before


def test_bin_files_alone_are_read(tmp_path: Path) -> None:
    tiny_pipeline().save_pretrained(tmp_path / "bin", safe_serialization=False)
    state = tiny_pipeline().text_encoder.state_dict()
    (tmp_path / "bin" / "text_encoder" / "model.safetensors").unlink(missing_ok=True)
    torch.save(state, tmp_path / "bin" / "text_encoder" / "pytorch_model.bin")
    loaded = load_pipeline(checked_folder(tmp_path / "bin"))
    assert {path.name for path in read_files(tmp_path / "bin")} >= {
        *("diffusion_pytorch_model.bin", "pytorch_model.bin"),
    }
    wanted = tiny_pipeline().unet.state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in loaded.unet.state_dict().items())


def test_no_weights_are_named(model: Path) -> None:
    weights = model / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_name("diffusion_pytorch_model.non_ema.safetensors"))
    with pytest.raises(UserError, match=r"unet has no weights \(only the variant non_ema\)"):
        checked_folder(model)


def test_a_hub_cache_of_half_precision_alone_is_a_model_and_a_torn_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "hub" / "models--CompVis--stable-diffusion-v1-4"
    snapshot = root / "snapshots" / ("0" * 40)
    tiny_pipeline().to(dtype=torch.float16).save_pretrained(snapshot, variant="fp16")
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text("0" * 40)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    world = load_world("stable-diffusion-v1-4")
    assert world.missing("model") is None
    assert len(world.weights_digest()) == 64
    (snapshot / "vae" / "diffusion_pytorch_model.fp16.safetensors").unlink()
    torn = load_world("stable-diffusion-v1-4").missing("model")
    assert torn is not None and "is incomplete in the local hub cache" in torn.what and "hf download" in torn.hint


def fill_hub_cache(hub: Path, **scheduler: Any) -> None:
    """What a download of the world's model leaves behind."""
    root = hub / "models--CompVis--stable-diffusion-v1-4"
    tiny_pipeline().save_pretrained(root / "snapshots" / ("0" * 40))
    patch(root / "snapshots" / ("0" * 40), "scheduler/scheduler_config.json", **scheduler)
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text("0" * 40)


def test_what_the_user_asks_for_holds_for_a_model_that_is_downloaded_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    world = load_world("stable-diffusion-v1-4")
    assert world.missing("model") is not None
    given = {"steps": 3, "guidance": 2.0, "scheduler": "euler", "batch_size": 2}
    world.sample_with(given)
    forecast = sampling_of(world)
    assert forecast.model_dump() == {**given, "width": 512, "height": 512}
    fill_hub_cache(tmp_path / "hub")
    assert world.sampling.model_dump() == {**given, "width": 16, "height": 16} == sampling_of(world).model_dump()
    world.sample_with({})
    assert (world.sampling.steps, world.sampling.guidance, world.sampling.scheduler) == (50, 7.5, "ddim")


def test_a_downloaded_model_of_few_steps_is_refused_when_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    world = load_world("stable-diffusion-v1-4")
    world.sample_with({"steps": 4})
    fill_hub_cache(tmp_path / "hub", **LCM)
    with pytest.raises(UserError, match="latent-consistency"):
        _ = world.sampling


def test_only_a_model_that_takes_the_guidance_scale_as_an_input_is_given_a_high_one(model: Path) -> None:
    patch(model, "scheduler/scheduler_config.json", **LCM)
    merged = few_steps(model)
    assert merged is not None and "--guidance 1 " in merged.options
    patch(model, "unet/config.json", time_cond_proj_dim=32)
    distilled = few_steps(model)
    assert distilled is not None and "--guidance 8 " in distilled.options


@pytest.mark.parametrize(
    ("scheduler", "unet", "what"),
    [
        (LCM, {}, "latent-consistency"),
        ({}, {"time_cond_proj_dim": 32}, "latent-consistency"),
        (TURBO, {}, "Turbo"),
        ({"_class_name": "TCDScheduler"}, {}, "TCD"),
        (ZERO_SNR, {}, None),
        ({}, {}, None),
    ],
)
def test_a_model_of_few_steps_is_not_sampled_as_another(
    model: Path, scheduler: dict[str, Any], unet: dict[str, Any], what: str | None
) -> None:
    patch(model, "scheduler/scheduler_config.json", **scheduler)
    patch(model, "unet/config.json", **unet)
    found = few_steps(model)
    assert (found is None) == (what is None)
    world = load_world("stable-diffusion-v1-4", str(model))
    if what is not None:
        with pytest.raises(UserError, match=what) as refused:
            world.sample_with({"steps": 4})
        assert "--guidance" in refused.value.hint
    world.sample_with({"steps": 4, "guidance": 1.0, "scheduler": "lcm"})
    assert (world.sampling.steps, world.sampling.guidance, world.sampling.scheduler) == (4, 1.0, "lcm")


@pytest.mark.parametrize(
    ("name", "write", "what", "hint"),
    [
        (
            "unet.safetensors",
            lambda path: save_file({"model.diffusion_model.out.0.bias": torch.zeros(1)}, path),
            "only a U-Net, in CompVis' layout",
            "checkpoint.path",
        ),
        (
            "xl.safetensors",
            lambda path: save_file({"conditioner.embedders.0.bias": torch.zeros(1)}, path),
            "Stable Diffusion XL's",
            "v1.x or v2.x",
        ),
        (
            "model.ckpt",
            lambda path: torch.save({"state_dict": {}}, path),
            "a file of weights, not a whole model",
            "checkpoint.path",
        ),
        (
            "m.safetensors",
            lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\n"),
            "LFS",
            "git lfs",
        ),
        ("m.ckpt", lambda path: path.write_text("<!DOCTYPE html><html>"), "a web page", "Download"),
        ("m.safetensors", lambda path: path.write_text("torn"), "a damaged safetensors file", "again"),
    ],
)
def test_a_file_that_is_no_whole_model_is_named_with_the_way_out(
    tmp_path: Path, name: str, write: Callable[[Path], None], what: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    write(path)
    with pytest.raises(UserError) as refused:
        file_model(path)
    assert what in refused.value.what and hint in refused.value.hint
    (tmp_path / "t.csv").write_text("prompt,seed\na ship,1\n")
    words = ["sample", "--world", "stable-diffusion-v1-4", "--model", str(path), "--prompts", str(tmp_path / "t.csv")]
    assert main([*words, "--out", str(tmp_path / "o")]) == 2
    assert what in capsys.readouterr().err
