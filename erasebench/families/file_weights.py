"""A pipeline out of one file in CompVis' layout: every weight named where it is missing, nothing fetched."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.loaders.single_file_utils import (
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
    convert_open_clip_checkpoint,
)
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel

from erasebench.errors import UserError
from erasebench.families.clip_tokenizer import clip_tokenizer
from erasebench.families.pickled import read_pickle
from erasebench.families.single_file import CLIP, OPEN_CLIP, FileModel, configs_in

_HINT = "The file belongs to another model or is incomplete: get the model again."


def file_pipeline(
    model: FileModel, device: torch.device | str = "cpu", dtype: torch.dtype | None = None
) -> StableDiffusionPipeline:
    """The pipeline in the file on `device` (dtype None: float32), without a safety checker, in eval mode.

    UserError naming the file and the weight where one is missing or has the wrong shape.
    """
    tensors = _read(model.file)
    configs = configs_in(model.configs)
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(configs["unet"])
        vae = AutoencoderKL.from_config(configs["vae"])
        text_encoder = CLIPTextModel(CLIPTextConfig(**configs["text_encoder"]))
    opened = any(key.startswith(OPEN_CLIP) for key in tensors)
    try:
        found = {
            "unet": convert_ldm_unet_checkpoint(dict(tensors), dict(unet.config)),
            "vae": convert_ldm_vae_checkpoint(dict(tensors), dict(vae.config)),
            "text_encoder": convert_open_clip_checkpoint(text_encoder, dict(tensors)) if opened else _clip(tensors),
        }
    except (KeyError, IndexError, AttributeError, TypeError, RuntimeError) as error:
        raise UserError(f"{model.file} is not a Stable Diffusion model ({error}).", _HINT) from error
    for name, part in (("unet", unet), ("vae", vae), ("text_encoder", text_encoder)):
        _fill(part, found[name], dtype or torch.float32, f"{model.file}, {name}")
    pad = "!" if configs["text_encoder"]["pad_token_id"] == 0 else "<|endoftext|>"
    pipeline = StableDiffusionPipeline(
        vae,
        text_encoder,
        clip_tokenizer(pad),
        unet,
        PNDMScheduler.from_config(configs["scheduler"]),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)


def _read(path: Path) -> dict[str, Tensor]:
    if path.suffix != ".safetensors":
        return read_pickle(path)
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path} cannot be read ({error}).", "Download the file itself again.") from error


def _clip(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    found = {key.removeprefix(CLIP): value for key, value in tensors.items() if key.startswith(CLIP)}
    return {key if key.startswith("text_model.") else f"text_model.{key}": value for key, value in found.items()}


def _fill(part: nn.Module, found: dict[str, Tensor], dtype: torch.dtype, where: str) -> None:
    """Give every weight of `part` its value, copied: kernels round otherwise on memory that is mapped unaligned."""
    wanted = part.state_dict()
    if not any(name.startswith("text_model.") for name in wanted):
        found = {name.removeprefix("text_model."): value for name, value in found.items()}
    for name, place in wanted.items():
        if name not in found:
            raise UserError(f"{where}: missing weight {name}.", _HINT)
        if found[name].shape != place.shape:
            shapes = f"{list(found[name].shape)}, not {list(place.shape)}"
            raise UserError(f"{where}: {name} has the shape {shapes}.", _HINT)
    values = {
        name: found[name].to(dtype if place.is_floating_point() else place.dtype, copy=True)
        for name, place in wanted.items()
    }
    part.load_state_dict(values, assign=True)
    for name, buffer in part.named_buffers():
        # Positions, a count from 0, are no part of the state.
        if buffer.is_meta:
            owner = part.get_submodule(name.rpartition(".")[0])
            setattr(owner, name.rpartition(".")[2], torch.arange(buffer.shape[-1])[None])
    part.eval().requires_grad_(True)
