"""A small U-Net of diffusers' with the layers that a case names, as its official code's run had."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from diffusers import UNet2DConditionModel

WIDTH, TEXT_WIDTH = 8, 12


def small_unet(names: Sequence[str], inputs: Mapping[str, int] | None = None) -> UNet2DConditionModel:
    """Blocks, layers and cross-attention as `names` have them; widths by each layer's number of `inputs`.

    Where those do not tell a level's width, it is twice that of the level before if its first block has a shortcut.
    """
    sizes = inputs or {}
    layer = re.compile(r"(down|up)_blocks\.(\d+)\.(?:resnets|attentions)\.(\d+)")
    found = [(each[1], int(each[2]), int(each[3])) for each in map(layer.match, names) if each]
    # The first block down that is named faces the last one up.
    first, last = (pick(level for side, level, _ in found if side == own) for own, pick in (("down", min), ("up", max)))
    levels = 1 + first + last
    # A block up has one layer more.
    layers = max(number + (side == "down") for side, _, number in found)
    down, up = (
        [any(name.startswith(f"{side}_blocks.{level}.attentions.") for name in names) for level in range(levels)]
        for side in ("down", "up")
    )
    text = next((size for name, size in sizes.items() if name.endswith("attn2.to_k")), TEXT_WIDTH)
    return UNet2DConditionModel(
        sample_size=4,
        layers_per_block=layers,
        block_out_channels=tuple(_widths(names, sizes, levels)),
        norm_num_groups=1,
        down_block_types=tuple("CrossAttnDownBlock2D" if attends else "DownBlock2D" for attends in down),
        mid_block_type="UNetMidBlock2DCrossAttn",
        up_block_types=tuple("CrossAttnUpBlock2D" if attends else "UpBlock2D" for attends in up),
        cross_attention_dim=text,
        attention_head_dim=1,
    )


def _widths(names: Sequence[str], sizes: Mapping[str, int], levels: int) -> Iterator[int]:
    width = WIDTH
    for level in range(levels):
        # The upward blocks go from the last level to the first.
        blocks = [f"down_blocks.{level}", f"up_blocks.{levels - 1 - level}"]
        if level == levels - 1:
            blocks.append("mid_block")
        rises = f"down_blocks.{level}.resnets.0.conv_shortcut.weight" in names
        given = (sizes[layer] for block in blocks if (layer := f"{block}.attentions.0.proj_in") in sizes)
        width = next(given, 2 * width if rises else width)
        yield width
