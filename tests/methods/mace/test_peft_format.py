"""A concept's LoRA goes to peft and comes back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model

from erasebench.editing.cross_attention import projections
from erasebench.errors import UserError
from erasebench.methods.mace.lora import Lora
from erasebench.methods.mace.peft_format import export_lora, import_lora
from tests.tiny_model import tiny_pipeline


def random_lora(rank: int) -> Lora:
    layers = projections(tiny_pipeline().unet)
    generator = torch.Generator().manual_seed(0)
    return Lora(
        {name: torch.randn(rank, layer.in_features, generator=generator) for name, layer in layers.items()},
        {name: torch.randn(layer.out_features, rank, generator=generator) for name, layer in layers.items()},
    )


@pytest.mark.parametrize("rank", [1, 3])
def test_peft_loads_it_with_the_same_effective_weights(tmp_path: Path, rank: int) -> None:
    lora = random_lora(rank)
    export_lora(lora, tmp_path)
    unet = tiny_pipeline().unet
    before = {name: layer.weight.detach().clone() for name, layer in projections(unet).items()}
    merged = PeftModel.from_pretrained(unet, str(tmp_path)).merge_and_unload()
    after = projections(merged)
    assert set(after) == set(before)
    for name, weight in before.items():
        torch.testing.assert_close(after[name].weight.detach() - weight, lora.up[name] @ lora.down[name])


def test_it_comes_back_bit_for_bit(tmp_path: Path) -> None:
    lora = random_lora(2)
    export_lora(lora, tmp_path)
    again = import_lora(tmp_path)
    for name in lora.down:
        assert torch.equal(again.down[name], lora.down[name])
        assert torch.equal(again.up[name], lora.up[name])


def test_what_peft_saves_is_read_with_pefts_scale(tmp_path: Path) -> None:
    unet = tiny_pipeline().unet
    names = list(projections(unet))
    model = get_peft_model(
        unet, LoraConfig(r=2, lora_alpha=6, target_modules=names, init_lora_weights=False, use_rslora=False)
    )
    model.save_pretrained(str(tmp_path))
    layer = dict(model.named_modules())[f"base_model.model.{names[0]}"]
    lora = import_lora(tmp_path)
    assert set(lora.down) == set(names)
    torch.testing.assert_close(lora.up[names[0]] @ lora.down[names[0]], layer.get_delta_weight("default").detach())


def test_a_folder_without_an_adapter_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No readable LoRA in"):
        import_lora(tmp_path)


def test_anything_but_plain_pairs_is_refused(tmp_path: Path) -> None:
    lora = random_lora(1)
    name = next(iter(lora.down))
    export_lora(Lora(lora.down, {other: up for other, up in lora.up.items() if other != name}), tmp_path)
    assert json.loads((tmp_path / "adapter_config.json").read_text())["lora_alpha"] == 1
    with pytest.raises(UserError, match="tensors other than"):
        import_lora(tmp_path)
