"""Gated adapters: which layers have one, what they start as, and that each image has its own gates."""

from __future__ import annotations

import pytest
import torch
from diffusers import UNet2DConditionModel

from erasebench.editing.adapters import adapted, change, fresh_adapters, joined, transformer_layers
from erasebench.errors import UserError
from tests.methods.closed_form import sd_unet
from tests.tiny_model import tiny_pipeline

LATENTS = torch.randn(4, 4, 8, 8, generator=torch.Generator().manual_seed(1)).double()
STATES = torch.randn(4, 77, 32, generator=torch.Generator().manual_seed(2)).double()


@pytest.fixture(scope="module")
def unet() -> UNet2DConditionModel:
    return tiny_pipeline().unet.double()


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def predict(unet: UNet2DConditionModel) -> torch.Tensor:
    with torch.no_grad():
        return unet(LATENTS, 500, encoder_hidden_states=STATES).sample


def test_stable_diffusion_has_twelve_layers_in_each_of_sixteen_blocks() -> None:
    layers = transformer_layers(sd_unet())
    assert len(layers) == 16 * 12
    block = "mid_block.attentions.0"
    assert {name.removeprefix(f"{block}.") for name in layers if name.startswith(f"{block}.")} == {
        *("proj_in", "proj_out", "transformer_blocks.0.ff.net.0.proj", "transformer_blocks.0.ff.net.2"),
        *(f"transformer_blocks.0.attn{i}.{part}" for i in (1, 2) for part in ("to_q", "to_k", "to_v", "to_out.0")),
    }


def test_fresh_adapters_change_nothing_and_depend_on_their_own_generator(unet: UNet2DConditionModel) -> None:
    weights = fresh_adapters(unet, 2, generators(3, 4))
    with adapted(unet, weights, lambda: torch.ones(4, 4)):
        assert torch.equal(predict(unet), predict(unet))
    alone = fresh_adapters(unet, 2, generators(4))
    for name, value in weights.items():
        assert value.requires_grad
        if name.startswith("down."):
            assert torch.equal(value[2:], alone[name])
            assert float(value.detach().abs().max()) <= value[0].numel() ** -0.5
        else:
            assert not value.any()


def test_the_gates_open_each_images_own_adapter(unet: UNet2DConditionModel) -> None:
    fresh = (fresh_adapters(unet, 1, generators(seed)) for seed in (3, 4))
    one, other = ({name: value.detach().double() for name, value in weights.items()} for weights in fresh)
    for number, weights in enumerate((one, other)):
        for name in weights:
            if name.startswith("up."):
                torch.nn.init.normal_(weights[name], generator=torch.Generator().manual_seed(number))
    plain = predict(unet)
    with adapted(unet, one, lambda: torch.ones(4, 1)):
        by_one = predict(unet)
    with adapted(unet, other, lambda: torch.full((4, 1), 0.5)):
        by_half_of_other = predict(unet)
    gates = torch.tensor([[1.0, 0.0], [0.0, 0.5], [0.0, 0.0]])
    with adapted(unet, joined([one, other]), lambda: gates[[0, 1, 2, 0]]):
        found = predict(unet)
    for i, expected in enumerate((by_one, by_half_of_other, plain, by_one)):
        torch.testing.assert_close(found[i], expected[i], rtol=1e-6, atol=1e-9)
    assert float((by_one - plain).abs().max()) > 1e-2
    assert float((by_half_of_other - by_one).abs().max()) > 1e-2


def test_twice_the_images_are_two_copies_and_none_is_off(unet: UNet2DConditionModel) -> None:
    weights = fresh_adapters(unet, 1, generators(3))
    for name in weights:
        torch.nn.init.normal_(weights[name].detach(), generator=torch.Generator().manual_seed(7))
    plain = predict(unet)
    with adapted(unet, weights, lambda: torch.tensor([[1.0], [0.0]])):
        copies = predict(unet)
    with adapted(unet, weights, lambda: torch.tensor([[1.0], [0.0], [1.0], [0.0]])):
        assert torch.equal(predict(unet), copies)
    with adapted(unet, weights, lambda: None):
        assert torch.equal(predict(unet), plain)
    assert not any(module._forward_hooks for module in unet.modules())


def test_adapters_of_another_model_are_refused(unet: UNet2DConditionModel) -> None:
    weights = {"down.somewhere": torch.zeros(1, 3), "up.somewhere": torch.zeros(3, 1)}
    with pytest.raises(UserError, match="no layer somewhere"), adapted(unet, weights, lambda: None):
        pass


@pytest.mark.parametrize("convolves", [False, True])
@pytest.mark.parametrize("rank", [1, 2])
def test_merged_factors_are_summed_over_concepts_before_they_are_multiplied(convolves: bool, rank: int) -> None:
    generator = torch.Generator().manual_seed(1)
    concepts, width, out = 3, 5, 4
    down = torch.randn(concepts, rank, width, generator=generator).double()
    up = torch.randn(out, concepts, rank, generator=generator).double()
    gates, x = torch.rand(2, concepts, generator=generator).double(), torch.randn(2, 7, width).double()
    by_hand = [
        seen @ torch.einsum("k,kri->ri", gate, down).T @ torch.einsum("k,okr->or", gate, up).T
        for seen, gate in zip(x, gates, strict=True)
    ]
    flat = (down.flatten(0, 1), up.flatten(1), gates.repeat_interleave(rank, dim=1))
    if convolves:
        layer, pixels = torch.nn.Conv2d(width, out, 1), x.transpose(1, 2)[..., None]
        found = change(layer, pixels, flat[0][..., None, None], *flat[1:], merged=rank)[..., 0].transpose(1, 2)
    else:
        found = change(torch.nn.Linear(width, out), x, *flat, merged=rank)
    torch.testing.assert_close(found, torch.stack(by_hand))
