"""A LoRA given as a checkpoint is folded into the weights that it adapts, or refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from torch import Tensor

from erasebench.errors import UserError
from tests.methods.checkpoint_files import CONV, QUERY, VALUE, parameter, read
from tests.tiny_model import tiny_pipeline


@pytest.fixture(scope="module")
def pipeline() -> StableDiffusionPipeline:
    return tiny_pipeline()


def lora_factors(pipeline: StableDiffusionPipeline, names: tuple[str, ...]) -> dict[str, tuple[Tensor, Tensor]]:
    """A [2, in...], B [out, 2, 1, 1 ...] of each weight."""
    generator = torch.Generator().manual_seed(3)
    factors = {}
    for name in names:
        shape = parameter(pipeline, name).shape
        up = torch.randn(shape[0], 2, *(1 for _ in shape[2:]), generator=generator)
        factors[name] = (torch.randn(2, *shape[1:], generator=generator), up)
    return factors


def expected_of(
    pipeline: StableDiffusionPipeline, factors: dict[str, tuple[Tensor, Tensor]], scale: float
) -> dict[str, Tensor]:
    return {
        f"unet.{name}": parameter(pipeline, name)
        + scale * (up.flatten(1) @ down.flatten(1)).reshape(parameter(pipeline, name).shape)
        for name, (down, up) in factors.items()
    }


def diffusers_lora(folder: Path, factors: dict[str, tuple[Tensor, Tensor]]) -> Path:
    layers = {}
    for name, (down, up) in factors.items():
        module = name.removesuffix(".weight")
        layers |= {f"{module}.lora_A.weight": down.contiguous(), f"{module}.lora_B.weight": up.contiguous()}
    StableDiffusionPipeline.save_lora_weights(folder, unet_lora_layers=layers)
    return folder


def diffusers_file_lora(folder: Path, factors: dict[str, tuple[Tensor, Tensor]]) -> Path:
    return diffusers_lora(folder, factors) / "pytorch_lora_weights.safetensors"


def bare_lora(folder: Path, factors: dict[str, tuple[Tensor, Tensor]]) -> Path:
    tensors = load_file(diffusers_file_lora(folder, factors))
    save_file({key.removeprefix("unet."): value for key, value in tensors.items()}, folder / "bare.safetensors")
    return folder / "bare.safetensors"


def kohya_lora(folder: Path, factors: dict[str, tuple[Tensor, Tensor]]) -> Path:
    tensors = {}
    for name, (down, up) in factors.items():
        module = "lora_unet_" + name.removesuffix(".weight").replace(".", "_")
        tensors |= {f"{module}.lora_down.weight": down.contiguous(), f"{module}.lora_up.weight": up.contiguous()}
        tensors[f"{module}.alpha"] = torch.tensor(1.0)
    folder.mkdir()
    save_file(tensors, folder / "kohya.safetensors")
    return folder / "kohya.safetensors"


def peft_lora(folder: Path, factors: dict[str, tuple[Tensor, Tensor]]) -> Path:
    targets = [name.removesuffix(".weight") for name in factors]
    model = get_peft_model(tiny_pipeline().unet, LoraConfig(r=2, lora_alpha=1, target_modules=targets))
    with torch.no_grad():
        for name, (down, up) in factors.items():
            layer: Any = model.base_model.model.get_submodule(name.removesuffix(".weight"))
            layer.lora_A["default"].weight.copy_(down)
            layer.lora_B["default"].weight.copy_(up)
    model.save_pretrained(folder)
    return folder


Maker = Callable[[Path, dict[str, tuple[Tensor, Tensor]]], Path]


@pytest.mark.parametrize(
    ("make", "names", "scale"),
    [
        (diffusers_lora, (VALUE, QUERY), 1.0),
        (diffusers_file_lora, (VALUE, CONV), 1.0),
        (bare_lora, (VALUE, QUERY), 1.0),
        (kohya_lora, (VALUE, QUERY), 0.5),
        (peft_lora, (VALUE, QUERY), 0.5),
    ],
)
@pytest.mark.parametrize("strength", [1.0, 0.25])
def test_a_lora_is_folded_into_the_weights_that_it_adapts(
    tmp_path: Path,
    pipeline: StableDiffusionPipeline,
    make: Maker,
    names: tuple[str, ...],
    scale: float,
    strength: float,
) -> None:
    factors = lora_factors(pipeline, names)
    before = {name: value.clone() for name, value in pipeline.unet.state_dict().items()}
    found = read(make(tmp_path / "lora", factors), pipeline, lora_scale=strength)
    expected = expected_of(pipeline, factors, scale * strength)
    assert set(found.tensors) == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(found.tensors[name], value, rtol=1e-5, atol=1e-5)
    after = pipeline.unet.state_dict()
    assert list(after) == list(before) and all(torch.equal(after[name], value) for name, value in before.items())
    assert not hasattr(pipeline.unet, "peft_config")


@pytest.mark.parametrize("make", [diffusers_lora, bare_lora, kohya_lora])
def test_a_lora_of_another_model_is_refused(tmp_path: Path, pipeline: StableDiffusionPipeline, make: Maker) -> None:
    factors = lora_factors(pipeline, (VALUE, QUERY))
    elsewhere = {VALUE: factors[VALUE], QUERY.replace("mid_block", "down_blocks.7"): factors[QUERY]}
    with pytest.raises(UserError, match="LoRA"):
        read(make(tmp_path / "lora", elsewhere), pipeline)
    misshapen = {VALUE: (torch.zeros(2, 48), factors[VALUE][1])}
    with pytest.raises(UserError, match="LoRA"):
        read(make(tmp_path / "misshapen", misshapen), pipeline)


def test_a_peft_file_without_its_config_is_refused(tmp_path: Path, pipeline: StableDiffusionPipeline) -> None:
    folder = peft_lora(tmp_path / "lora", lora_factors(pipeline, (VALUE,)))
    with pytest.raises(UserError, match=r"without its config") as caught:
        read(folder / "adapter_model.safetensors", pipeline)
    assert "adapter_config.json" in caught.value.hint
