"""The small U-Net has the layers that it is asked for, whatever the number of blocks and their widths."""

from __future__ import annotations

import pytest
from diffusers import UNet2DConditionModel

from erasebench.editing.adapters import transformer_layers
from tests.oracles.small_unet import small_unet


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("widths", [(8, 16), (8, 8), (4, 8, 16), (8, 8, 16), (8, 16, 16)], ids=str)
def test_names_and_inputs_come_back(widths: tuple[int, ...], layers: int) -> None:
    for where in range(len(widths)):
        attends = [level == where for level in range(len(widths))]
        unet = UNet2DConditionModel(
            layers_per_block=layers,
            block_out_channels=widths,
            norm_num_groups=1,
            down_block_types=tuple("CrossAttnDownBlock2D" if own else "DownBlock2D" for own in attends),
            up_block_types=tuple("CrossAttnUpBlock2D" if own else "UpBlock2D" for own in reversed(attends)),
            cross_attention_dim=10,
            attention_head_dim=1,
        )
        names = [name for name, _ in unet.named_parameters()]
        assert [name for name, _ in small_unet(names).named_parameters()] == names
        inputs = {name: layer.weight[0].numel() for name, layer in transformer_layers(unet).items()}
        again = transformer_layers(small_unet(list(inputs), inputs))
        assert {name: layer.weight[0].numel() for name, layer in again.items()} == inputs
