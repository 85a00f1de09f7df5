"""Adapters that are more than pairs of factors: DoRA is folded as its formats define it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from torch import Tensor

from erasebench.errors import UserError
from erasebench.methods.checkpoint import CheckpointConfig
from erasebench.methods.checkpoint.lora import with_magnitude
from tests.methods.checkpoint_files import QUERY, TEXT, VALUE, parameter, read
from tests.methods.test_checkpoint_lora import diffusers_lora, expected_of, kohya_lora, lora_factors
from tests.tiny_model import tiny_pipeline


@pytest.fixture(scope="module")
def pipeline() -> StableDiffusionPipeline:
    return tiny_pipeline()


def module_of(name: str) -> str:
    return "lora_unet_" + name.removesuffix(".weight").replace(".", "_")


def with_more(file: Path, more: dict[str, Tensor], metadata: dict[str, str] | None = None) -> Path:
    """The file with further tensors, and another header where one is given."""
    save_file({key: value.contiguous() for key, value in (load_file(file) | more).items()}, file, metadata=metadata)
    return file


def test_a_magnitude_is_the_length_of_each_row_or_column() -> None:
    weight, rows, columns = torch.randn(3, 2, 1, 1), torch.tensor([1.0, 2.0, 3.0]), torch.tensor([4.0, 5.0])
    by_row = with_magnitude(weight, rows.reshape(3, 1, 1, 1), "k", Path("f"))
    by_column = with_magnitude(weight, columns.reshape(1, 2, 1, 1), "k", Path("f"))
    torch.testing.assert_close(by_row.flatten(1).norm(dim=1), rows)
    torch.testing.assert_close(by_column.flatten(1).norm(dim=0), columns)
    torch.testing.assert_close(by_row / by_row.flatten(1).norm(dim=1)[:, None, None, None] * 7, 7 * _rows_of(weight))


def _rows_of(weight: Tensor) -> Tensor:
    return weight / weight.flatten(1).norm(dim=1)[:, None, None, None]


def dora(folded: Tensor, magnitude: Tensor, axis: int) -> Tensor:
    return folded / folded.norm(dim=axis, keepdim=True) * magnitude


@pytest.mark.parametrize("by_row", [True, False])
def test_kohyas_dora_is_folded_as_dora(tmp_path: Path, pipeline: StableDiffusionPipeline, by_row: bool) -> None:
    factors = lora_factors(pipeline, (VALUE, QUERY))
    plain = expected_of(pipeline, factors, 0.5)
    shape = {name: parameter(pipeline, name).shape for name in factors}
    sizes = {name: torch.rand((out, 1) if by_row else (1, into)) + 1 for name, (out, into) in shape.items()}
    scales = {f"{module_of(name)}.dora_scale": value for name, value in sizes.items()}
    found = read(with_more(kohya_lora(tmp_path / "lora", factors), scales), pipeline)
    for name, size in sizes.items():
        expected = dora(plain[f"unet.{name}"], size, 1 if by_row else 0)
        torch.testing.assert_close(found.tensors[f"unet.{name}"], expected, rtol=1e-4, atol=1e-5)


def test_diffusers_dora_is_folded_as_dora(tmp_path: Path, pipeline: StableDiffusionPipeline) -> None:
    factors = lora_factors(pipeline, (VALUE, QUERY))
    sizes = {name: torch.rand(parameter(pipeline, name).shape[0]) + 1 for name in factors}
    file = diffusers_lora(tmp_path / "lora", factors) / "pytorch_lora_weights.safetensors"
    more = {f"unet.{n.removesuffix('.weight')}.lora_magnitude_vector": size for n, size in sizes.items()}
    found = read(with_more(file, more), pipeline)
    for name, size in sizes.items():
        expected = dora(expected_of(pipeline, factors, 1.0)[f"unet.{name}"], size[:, None], 1)
        torch.testing.assert_close(found.tensors[f"unet.{name}"], expected, rtol=1e-4, atol=1e-5)


def test_pefts_dora_is_folded_as_dora(tmp_path: Path, pipeline: StableDiffusionPipeline) -> None:
    factors = lora_factors(pipeline, (VALUE,))
    config = LoraConfig(r=2, lora_alpha=1, use_dora=True, target_modules=[VALUE.removesuffix(".weight")])
    model = get_peft_model(tiny_pipeline().unet, config)
    size = torch.rand(parameter(pipeline, VALUE).shape[0]) + 1
    with torch.no_grad():
        layer = model.base_model.model.get_submodule(VALUE.removesuffix(".weight"))
        for part, value in zip((layer.lora_A, layer.lora_B), factors[VALUE], strict=True):
            part["default"].weight.copy_(value)
        layer.lora_magnitude_vector["default"].weight.copy_(size)
    model.save_pretrained(tmp_path / "dora")
    expected = dora(expected_of(pipeline, factors, 0.5)[f"unet.{VALUE}"], size[:, None], 1)
    torch.testing.assert_close(read(tmp_path / "dora", pipeline).tensors[f"unet.{VALUE}"], expected)
    with pytest.raises(UserError, match="is a DoRA"):
        read(tmp_path / "dora", pipeline, lora_scale=0.5)
    save_file(
        {
            key: value
            for key, value in load_file(tmp_path / "dora" / "adapter_model.safetensors").items()
            if "_A" in key
        },
        tmp_path / "dora" / "adapter_model.safetensors",
    )
    with pytest.raises(UserError, match=r"lora_B\.weight' is missing|lora_magnitude_vector' is missing"):
        read(tmp_path / "dora", pipeline)


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [
        ("hada_w1_a", "LoHa"),
        ("lokr_w1", "LoKr"),
        ("oft_blocks", "OFT"),
        ("a1.weight", "GLoRA"),
        ("lora_mid.weight", "Tucker"),
        ("diff_b", "a whole difference"),
        ("lora_up.bias", "a bias"),
        ("made_up", "'lora_unet_.*made_up' is not a LoRA tensor"),
    ],
)
def test_a_tensor_that_is_not_folded_is_refused_by_its_name(
    tmp_path: Path, pipeline: StableDiffusionPipeline, suffix: str, kind: str
) -> None:
    file = kohya_lora(tmp_path / "lora", lora_factors(pipeline, (VALUE, QUERY)))
    with_more(file, {f"{module_of(VALUE)}.{suffix}": torch.ones(1)})
    with pytest.raises(UserError, match=kind):
        read(file, pipeline)


def test_a_factor_without_its_fellow_or_with_nan_is_refused(tmp_path: Path, pipeline: StableDiffusionPipeline) -> None:
    file = kohya_lora(tmp_path / "lora", lora_factors(pipeline, (VALUE, QUERY)))
    tensors = load_file(file)
    save_file({key: value for key, value in tensors.items() if key != f"{module_of(VALUE)}.lora_up.weight"}, file)
    with pytest.raises(UserError, match="has only alpha, lora_down.weight"):
        read(file, pipeline)
    save_file(tensors | {f"{module_of(VALUE)}.lora_up.weight": torch.full((16, 2), float("nan"))}, file)
    with pytest.raises(UserError, match="32 NaN"):
        read(file, pipeline)


def test_a_loras_part_for_the_text_encoder_goes_there(tmp_path: Path, pipeline: StableDiffusionPipeline) -> None:
    file = kohya_lora(tmp_path / "lora", lora_factors(pipeline, (VALUE,)))
    more: dict[str, Tensor] = {}
    expected: dict[str, Tensor] = {}
    for name in (TEXT, TEXT.replace("q_proj", "out_proj")):
        module = "lora_te_text_model_" + name.removesuffix(".weight").replace(".", "_")
        own = pipeline.text_encoder.get_parameter(name).detach()
        down, up = torch.randn(2, own.shape[1]), torch.randn(own.shape[0], 2)
        more |= {f"{module}.lora_down.weight": down, f"{module}.lora_up.weight": up, f"{module}.alpha": torch.ones(())}
        expected[f"text_encoder.{name}"] = own + 0.5 * up @ down
    found = read(with_more(file, more), pipeline)
    assert set(found.tensors) == {f"unet.{VALUE}", *expected}
    for name, value in expected.items():
        torch.testing.assert_close(found.tensors[name], value, rtol=1e-4, atol=1e-5)


def test_several_loras_are_added_up_each_with_its_strength(tmp_path: Path, pipeline: StableDiffusionPipeline) -> None:
    factors = lora_factors(pipeline, (VALUE, QUERY))
    one = kohya_lora(tmp_path / "one", {VALUE: factors[VALUE]})
    two = diffusers_lora(tmp_path / "two", factors)
    found = read(f"{one},{two}", pipeline, lora_scale="2, 0.5")
    own = parameter(pipeline, VALUE)
    first, second = (expected_of(pipeline, factors, s)[f"unet.{VALUE}"] - own for s in (0.5 * 2, 0.5))
    torch.testing.assert_close(found.tensors[f"unet.{VALUE}"], own + first + second, rtol=1e-4, atol=1e-5)
    assert found.record["model"] == ["kohya.safetensors", "two"]
    assert CheckpointConfig(path=[one, two]).digest != CheckpointConfig(path=[two, one]).digest
    with pytest.raises(UserError, match="gives 3 strengths for 2 files"):
        read(f"{one},{two}", pipeline, lora_scale="1, 1, 1")
