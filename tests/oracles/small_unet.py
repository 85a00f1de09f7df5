"""A small U-Net of diffusers' with the layers that a case names, as its official code's run had."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from diffusers import UNet2DConditionModel

WIDTHS, TEXT_WIDTH = (8, 16), 12


def small_unet(names: Sequence[str], inputs: Mapping[str, int] | None = None) -> UNet2DConditionModel:
    """Blocks, layers and cross-attention as `names` have them; widths by each layer's number of `inputs`."""
    sizes = inputs or {}
    levels = 1 + max(int(found) for name in names for found in re.findall(r"^(?:down|up)_blocks\.(\d+)", name))
    layers = 1 + max(int(found) for name in names for found in re.findall(r"^down_blocks\.\d+\.\w+?s\.(\d+)", name))
    down, up = (
        [any(name.startswith(f"{side}_blocks.{level}.attentions.") for name in names) for level in range(levels)]
        for side in ("down", "up")
    )
    last = sizes.get("mid_block.attentions.0.proj_in", WIDTHS[-1])
    first = [sizes.get(f"down_blocks.{level}.attentions.0.proj_in") for level in range(levels - 1)]
    text = next((size for name, size in sizes.items() if name.endswith("attn2.to_k")), TEXT_WIDTH)
    return UNet2DConditionModel(
        sample_size=4,
        layers_per_block=layers,
        block_out_channels=(*(width or WIDTHS[0] for width in first), last),
        norm_num_groups=1,
        down_block_types=tuple("CrossAttnDownBlock2D" if attends else "DownBlock2D" for attends in down),
        mid_block_type="UNetMidBlock2DCrossAttn",
        up_block_types=tuple("CrossAttnUpBlock2D" if attends else "UpBlock2D" for attends in up),
        cross_attention_dim=text,
        attention_head_dim=1,
    )
