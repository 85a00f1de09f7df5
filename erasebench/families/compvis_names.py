"""The names that CompVis' code, and with it every web UI, has for the weights of a pipeline in diffusers' format."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextModel

from erasebench.families.single_file import CLIP, OPEN_CLIP, UNET, VAE

_RESNET = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1"} | {
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_ENDS = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_MIDDLE = {"resnets.0": "middle_block.0", "attentions.0": "middle_block.1", "resnets.1": "middle_block.2"}
_VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
_OPEN_CLIP_LAYER = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj"} | {
    "self_attn.out_proj": "attn.out_proj"
}


def unet_names(unet: UNet2DConditionModel) -> dict[str, str]:
    """CompVis' name of each weight of the U-Net, by diffusers'."""
    layers = int(unet.config["layers_per_block"])
    with_attention = [hasattr(block, "attentions") for block in unet.up_blocks]

    def down(block: int, kind: str, at: int, rest: str) -> str:
        first = 1 + block * (layers + 1)
        if kind == "downsamplers":
            return f"input_blocks.{first + layers}.0.op{rest.removeprefix('.conv')}"
        return f"input_blocks.{first + at}.{_place(kind)}{rest}"

    def up(block: int, kind: str, at: int, rest: str) -> str:
        first = block * (layers + 1)
        if kind == "upsamplers":
            return f"output_blocks.{first + layers}.{1 + with_attention[block]}{rest}"
        return f"output_blocks.{first + at}.{_place(kind)}{rest}"

    def name(own: str) -> str:
        if found := re.fullmatch(r"(down|up)_blocks\.(\d+)\.(\w+)\.(\d+)(\..+)", own):
            side, block, kind, at, rest = found.groups()
            rest = _renamed(rest, _RESNET) if kind == "resnets" else rest
            return (down if side == "down" else up)(int(block), kind, int(at), rest)
        if found := re.fullmatch(r"mid_block\.(\w+\.\d)(\..+)", own):
            part, rest = found.groups()
            return _MIDDLE[part] + (_renamed(rest, _RESNET) if part.startswith("resnets") else rest)
        whole, _, kind = own.rpartition(".")
        return f"{_ENDS[whole]}.{kind}"

    return {own: f"{UNET}{name(own)}" for own in unet.state_dict()}


def vae_weights(vae: AutoencoderKL) -> dict[str, Tensor]:
    """The autoencoder's weights under CompVis' names; its attention's matrices are 1 x 1 convolutions there."""
    levels = len(vae.config["block_out_channels"])

    def name(own: str) -> str:
        own = re.sub(r"mid_block\.resnets\.(\d)", lambda found: f"mid.block_{int(found[1]) + 1}", own)
        own = own.replace("mid_block.attentions.0", "mid.attn_1").replace("conv_norm_out", "norm_out")
        own = re.sub(r"down_blocks\.(\d+)\.resnets\.(\d+)", r"down.\1.block.\2", own)
        own = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0", r"down.\1.downsample", own)
        turned = r"up_blocks\.(\d+)\."
        own = re.sub(f"{turned}resnets", lambda found: f"up.{levels - 1 - int(found[1])}.block", own)
        own = re.sub(rf"{turned}upsamplers\.0", lambda found: f"up.{levels - 1 - int(found[1])}.upsample", own)
        return own.replace("conv_shortcut", "nin_shortcut")

    found = {}
    for own, value in vae.state_dict().items():
        renamed = name(own)
        if "attn_1" in renamed:
            before, _, rest = renamed.partition("attn_1")
            renamed = f"{before}attn_1{_renamed(rest, _VAE_ATTENTION)}"
            value = value[:, :, None, None] if value.ndim == 2 else value
        found[f"{VAE}{renamed}"] = value
    return found


def text_weights(text_encoder: CLIPTextModel) -> dict[str, Tensor]:
    """The text encoder's weights: of CLIP (v1.x) under its own names, of OpenCLIP (v2.x) under OpenCLIP's."""
    own = {
        (name if name.startswith("text_model.") else f"text_model.{name}"): value
        for name, value in text_encoder.state_dict().items()
    }
    if text_encoder.config.hidden_act == "quick_gelu":
        return {f"{CLIP}{name}": value for name, value in own.items()}
    return {f"{OPEN_CLIP}{name}": value for name, value in _open_clip(own).items()}


def _open_clip(own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    found = {
        "token_embedding.weight": own["text_model.embeddings.token_embedding.weight"],
        "positional_embedding": own["text_model.embeddings.position_embedding.weight"],
    }
    for name, value in own.items():
        if ended := re.fullmatch(r"text_model\.final_layer_norm\.(\w+)", name):
            found[f"ln_final.{ended[1]}"] = value
        elif layer := re.fullmatch(r"text_model\.encoder\.layers\.(\d+)(\..+)", name):
            place = f"transformer.resblocks.{layer[1]}"
            if joined := re.fullmatch(r"\.self_attn\.q_proj\.(\w+)", layer[2]):
                parts = [own[name.replace("q_proj", f"{kind}_proj")] for kind in "qkv"]
                found[f"{place}.attn.in_proj_{joined[1]}"] = torch.cat(parts)
            elif not re.match(r"\.self_attn\.[kv]_proj", layer[2]):
                found[f"{place}{_renamed(layer[2], _OPEN_CLIP_LAYER)}"] = value
    return found


def _place(kind: str) -> int:
    return 0 if kind == "resnets" else 1


def _renamed(rest: str, names: Mapping[str, str]) -> str:
    """`rest` ('.conv1.weight') with its module under its other name."""
    module, _, kind = rest.removeprefix(".").rpartition(".")
    return f".{names.get(module, module)}.{kind}"
