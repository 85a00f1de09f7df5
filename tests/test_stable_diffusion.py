"""The Stable Diffusion world on a random-weight folder of its format: lists, the same path, every broken folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import erasebench
from erasebench.errors import UserError
from erasebench.worlds.stable_diffusion.world import StableDiffusionWorld, protocol_lists

WEIGHTS = {
    "unet": "diffusion_pytorch_model.safetensors",
    "vae": "diffusion_pytorch_model.safetensors",
    "text_encoder": "model.safetensors",
}


def test_the_cast_is_the_protocols() -> None:
    concept_lists = protocol_lists()
    assert {key: len(names) for key, names in concept_lists.lists.items()} == {
        ("person", "erase"): 100,
        ("person", "retain"): 100,
        ("style", "erase"): 100,
        ("style", "retain"): 100,
        ("object", "erase"): 10,
        ("explicit", "erase"): 4,
    }
    assert concept_lists.names("person", "erase")[:2] == ("Adam Driver", "Adriana Lima")


def test_a_folder_goes_through_the_whole_path(tmp_path: Path, tiny_model_folder: Path) -> None:
    summary = erasebench.run(
        method="original",
        suite="celebrity",
        world="stable-diffusion-v1-4",
        model=str(tiny_model_folder),
        scale=1,
        limit=1,
        out=tmp_path / "board",
        runs_folder=tmp_path / "runs",
    )
    (record,) = summary.records
    assert (record.size, record.partial, record.concepts) == ("full", True, ("Melania Trump",))
    assert record.manifest.sampling == {
        **{"steps": 50, "guidance": 7.5, "scheduler": "ddim"},
        **{"width": 16, "height": 16},
    }
    assert record.metrics["acc_e"].value is None
    assert "celebrity detector" in (record.metrics["acc_e"].reason or "")
    assert len(list(tmp_path.glob("runs/*/images/*/*.png"))) == 2


def test_the_digest_is_of_the_weights_not_of_the_place(tmp_path: Path, tiny_model_folder: Path) -> None:
    digest = StableDiffusionWorld(str(tiny_model_folder)).weights_digest()
    copied = shutil.copytree(tiny_model_folder, tmp_path / "copy")
    assert StableDiffusionWorld(str(copied)).weights_digest() == digest
    rewrite(copied, "unet", lambda tensors: next(iter(tensors.values())).add_(1))
    assert StableDiffusionWorld(str(copied)).weights_digest() != digest


def rewrite(folder: Path, part: str, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    path = folder / part / WEIGHTS[part]
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata={"format": "pt"})


def misshape(tensors: dict[str, torch.Tensor]) -> None:
    tensors[next(name for name in sorted(tensors) if tensors[name].ndim == 2)] = torch.zeros(3, 5)


def load(folder: Path) -> None:
    StableDiffusionWorld(str(folder)).pipeline()


@pytest.mark.parametrize("part", list(WEIGHTS))
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (misshape, r"to_k\.weight expected shape|mismatched weight \S+"),
        (lambda tensors: tensors.pop(min(tensors)), r"missing weight \S+"),
    ],
    ids=["misshapen", "missing"],
)
def test_wrong_weights_are_named(
    tmp_path: Path,
    tiny_model_folder: Path,
    part: str,
    damage: Callable[[dict[str, torch.Tensor]], object],
    message: str,
) -> None:
    folder = shutil.copytree(tiny_model_folder, tmp_path / "broken")
    rewrite(folder, part, damage)
    with pytest.raises(UserError, match=message) as caught:
        load(folder)
    assert f"{folder / part}" in caught.value.what


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: cut(folder / "vae" / WEIGHTS["vae"]), "vae cannot be loaded"),
        (lambda folder: cut(folder / "scheduler" / "scheduler_config.json"), "scheduler_config.json is not valid JSON"),
        (lambda folder: cut(folder / "unet" / "config.json"), "unet"),
        (lambda folder: (folder / "text_encoder" / WEIGHTS["text_encoder"]).unlink(), "text_encoder has no weights"),
        (lambda folder: shutil.rmtree(folder / "unet"), "lacks its unet folder"),
        (lambda folder: shutil.rmtree(folder / "tokenizer") or (folder / "tokenizer").mkdir(), "tokenizer.json"),
        (lambda folder: (folder / "model_index.json").unlink(), "not a model folder"),
        (lambda folder: cut(folder / "model_index.json"), "model_index.json is not valid JSON"),
        (lambda folder: (folder / "model_index.json").write_text('{"_class_name": "FluxPipeline"}'), "a FluxPipeline"),
        (shutil.rmtree, "no model folder"),
    ],
)
def test_a_folder_that_is_no_model_is_named(
    tmp_path: Path, tiny_model_folder: Path, damage: Callable[[Path], object], message: str
) -> None:
    folder = shutil.copytree(tiny_model_folder, tmp_path / "broken")
    damage(folder)
    with pytest.raises(UserError, match=message) as caught:
        load(folder)
    assert str(folder) in caught.value.what


def test_parts_of_different_models_are_named(tmp_path: Path, tiny_model_folder: Path) -> None:
    from transformers import CLIPTextConfig, CLIPTextModel

    folder = shutil.copytree(tiny_model_folder, tmp_path / "mixed")
    config = json.loads((folder / "text_encoder" / "config.json").read_text())
    CLIPTextModel(CLIPTextConfig(**config | {"hidden_size": 16})).save_pretrained(folder / "text_encoder")
    with pytest.raises(UserError, match="width 16, but the U-Net's cross-attention expects 32"):
        load(folder)


def test_a_hub_id_that_cannot_be_had_says_how_to_bring_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr("socket.create_connection", unreachable)
    monkeypatch.setattr("erasebench.files.weights.getproxies", dict)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError, match="cannot be downloaded") as caught:
        StableDiffusionWorld("nobody/nothing").weights_digest()
    assert "hf download nobody/nothing" in caught.value.hint


@pytest.mark.parametrize("judge", ["face-id", "clip-score", "clip-accuracy", "fid"])
def test_a_judge_says_what_it_needs_without_being_loaded(tiny_model_folder: Path, judge: str) -> None:
    world = StableDiffusionWorld(str(tiny_model_folder))
    with pytest.raises(UserError, match=f"The judge {judge} cannot run: ") as error:
        world.judge(judge)
    assert str(world.missing(judge)) == str(error.value)
