"""CompVis's names of a U-Net's parameters, from diffusers': written out apart from the conversion that tests check."""

from __future__ import annotations

import re

RESNET = {
    **{"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1"},
    **{"norm2": "out_layers.0", "conv2": "out_layers.3", "conv_shortcut": "skip_connection"},
}
ENDS = {
    **{"time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2"},
    **{"conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2"},
}


def compvis_name(name: str, layers_per_block: int) -> str:
    """'down_blocks.0.attentions.0.proj_in.weight' -> 'input_blocks.1.1.proj_in.weight'."""
    for ours, theirs in ENDS.items():
        if name.startswith(f"{ours}."):
            return name.replace(ours, theirs, 1)
    found = re.match(
        r"(down|mid|up)_blocks?(?:\.(\d+))?\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.+)", name
    )
    assert found, name
    where, block, kind, at, rest = found[1], int(found[2] or 0), found[3], int(found[4]), found[5]
    if kind == "resnets":
        module, _, leaf = rest.partition(".")
        rest = f"{RESNET[module]}.{leaf}"
    if where == "mid":
        return f"middle_block.{1 if kind == 'attentions' else 2 * at}.{rest}"
    per_block = layers_per_block + 1
    if where == "down":
        if kind == "downsamplers":
            return f"input_blocks.{block * per_block + layers_per_block + 1}.0.{rest.replace('conv', 'op', 1)}"
        return f"input_blocks.{1 + block * per_block + at}.{int(kind == 'attentions')}.{rest}"
    if kind == "upsamplers":
        return f"output_blocks.{block * per_block + layers_per_block}.2.{rest}"
    return f"output_blocks.{block * per_block + at}.{int(kind == 'attentions')}.{rest}"
