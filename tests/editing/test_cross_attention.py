"""The text projections of a U-Net, and attention probabilities that change nothing by being read."""

from __future__ import annotations

import pytest
import torch
from diffusers import UNet2DConditionModel, UNet2DModel
from torch import Tensor

from erasebench.editing.cross_attention import cross_attention_blocks, projections, recorded_attention
from erasebench.errors import UserError
from tests.tiny_model import tiny_pipeline


def noise_prediction(unet: UNet2DConditionModel, states: Tensor) -> Tensor:
    latents = torch.randn(len(states), 4, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return unet(latents, 500, encoder_hidden_states=states).sample


def test_every_block_reads_keys_and_values_from_text_states() -> None:
    unet = tiny_pipeline().unet
    found = projections(unet)
    assert len(found) == 2 * len(cross_attention_blocks(unet)) > 0
    assert {layer.in_features for layer in found.values()} == {32}
    parameters = dict(unet.named_parameters())
    assert all(parameters[f"{name}.weight"] is layer.weight for name, layer in found.items())


def test_recording_gives_probabilities_and_leaves_the_prediction_as_it_was() -> None:
    unet = tiny_pipeline().unet
    states = torch.randn(2, 77, 32, generator=torch.Generator().manual_seed(1))
    plain = noise_prediction(unet, states)
    maps: dict[str, Tensor] = {}
    with recorded_attention(unet, maps.__setitem__):
        recorded = noise_prediction(unet, states)
    torch.testing.assert_close(recorded, plain, rtol=1e-5, atol=1e-6)
    assert set(maps) == set(cross_attention_blocks(unet))
    assert {(len(m), m.shape[2], m.shape[3]) for m in maps.values()} == {(2, 64, 77), (2, 16, 77)}
    for probabilities in maps.values():
        torch.testing.assert_close(probabilities.sum(dim=-1), torch.ones(probabilities.shape[:-1]))


def test_the_former_processors_come_back_even_after_an_error() -> None:
    unet = tiny_pipeline().unet
    before = dict(unet.attn_processors)

    def fail(name: str, probabilities: Tensor) -> None:
        raise RuntimeError(name)

    with pytest.raises(RuntimeError), recorded_attention(unet, fail):
        noise_prediction(unet, torch.zeros(1, 77, 32))
    assert unet.attn_processors == before


def test_a_unet_without_text_is_refused() -> None:
    unet = UNet2DModel(
        block_out_channels=(8,), down_block_types=("DownBlock2D",), up_block_types=("UpBlock2D",), norm_num_groups=4
    )
    with pytest.raises(UserError, match="attn2"):
        cross_attention_blocks(unet)
