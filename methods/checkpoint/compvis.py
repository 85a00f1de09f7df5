"""Checkpoints of CompVis's code (latent diffusion): the U-Net's names, and what a whole checkpoint has beside it.

The names are translated by diffusers' own conversion. A file may hold a few of them, as Concept Ablation's deltas do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint
from torch import Tensor

from erasebench.errors import UserError

from .components import check_same_autoencoder
from .tensors import OTHER_MODEL, unwrapped

UNET = "model.diffusion_model."
AUTOENCODER = "first_stage_model."
AVERAGE = "model_ema."
BLOCKS = re.compile(r"(input_blocks|middle_block|output_blocks|time_embed|out|label_emb)\.\d")
# Of the noise schedule: all follow from the cumulated alphas, which are compared.
CUMULATED = "alphas_cumprod"
SCHEDULE = re.compile(
    r"(betas|alphas_cumprod_prev|sqrt_\w+|log_one_minus_alphas_cumprod|posterior_\w+|lvlb_weights|logvar|scale_factor)$"
)
_COUNTERS = ("decay", "num_updates")


def is_compvis(tensors: Mapping[str, Tensor]) -> bool:
    """Whether any key is a U-Net's in CompVis's names."""
    return any(BLOCKS.match(unwrapped(key)[0]) for key in tensors)


def as_diffusers(tensors: Mapping[str, Tensor], pipeline: StableDiffusionPipeline, path: Path) -> dict[str, Tensor]:
    """`tensors` with the U-Net's under diffusers' names; autoencoder, running average and schedule are checked away.

    UserError for a U-Net's key that has no place in the pipeline's, or where what stands beside is another model's: an
    erasure carries neither an autoencoder nor a schedule.
    """
    unet: dict[str, Tensor] = {}
    rest: dict[str, Tensor] = {}
    for key, value in tensors.items():
        name, _ = unwrapped(key)
        if not BLOCKS.match(name):
            rest[key] = value
        elif not torch.equal(unet.setdefault(name, value), value):
            raise UserError(f"{path} contains {name} twice with different values.", "Remove one of them.")
    names = _names(list(unet), pipeline, path)
    own = {f"unet.{names[key]}": value for key, value in unet.items()}
    beside: dict[str, Tensor] = {}
    autoencoder: dict[str, Tensor] = {}
    for key, value in rest.items():
        bare = key.removeprefix("state_dict.")
        if bare.startswith(AUTOENCODER):
            autoencoder[bare] = value
        elif bare.startswith(AVERAGE):
            _check_average(bare.removeprefix(AVERAGE), value, unet, path)
        elif bare == CUMULATED:
            _check_schedule(value, pipeline, path)
        elif not SCHEDULE.match(bare):
            beside[key] = value
    if autoencoder:
        try:
            converted = convert_ldm_vae_checkpoint(autoencoder, dict(pipeline.vae.config))
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise UserError(
                f"{path}: its autoencoder does not have the structure of Stable Diffusion's.", OTHER_MODEL
            ) from error
        check_same_autoencoder(pipeline, converted, path)
    return own | beside


def _names(keys: list[str], pipeline: StableDiffusionPipeline, path: Path) -> dict[str, str]:
    """diffusers' name of each of CompVis's, by the conversion itself: it moves what it is given, here the names."""
    config = pipeline.unet.config
    blocks = len(config["block_out_channels"]) * (config["layers_per_block"] + 1)
    # The conversion counts the blocks that it finds: a file of a few keys has to show it all of them.
    shown = [f"{kind}.{at}.filler" for kind in ("input_blocks", "output_blocks") for at in range(blocks)]
    shown += [f"middle_block.{at}.filler" for at in range(3)]
    converted = convert_ldm_unet_checkpoint({f"{UNET}{key}": key for key in (*keys, *shown)}, dict(config))
    names = {str(key): str(name) for name, key in converted.items() if key in keys}
    if missing := [key for key in keys if key not in names]:
        raise UserError(f"{path}: the pipeline's U-Net has no parameter for '{missing[0]}'.", OTHER_MODEL)
    return names


def _check_average(name: str, value: Tensor, unet: Mapping[str, Tensor], path: Path) -> None:
    """CompVis keeps a running average of the weights under names without dots: which of the two is meant?"""
    if name in _COUNTERS:
        return
    own = next((weight for key, weight in unet.items() if f"diffusion_model{key.replace('.', '')}" == name), None)
    if own is None or not torch.equal(own, value):
        what = f"{path} contains its U-Net's weights and a running average of them ({AVERAGE}*), which differ."
        raise UserError(what, "Save only one of them, under model.diffusion_model.")


def _check_schedule(alphas: Tensor, pipeline: StableDiffusionPipeline, path: Path) -> None:
    own = pipeline.scheduler.alphas_cumprod
    if alphas.shape != own.shape or not torch.allclose(alphas.float(), own.float(), atol=1e-4):
        what = f"{path} was trained with another noise schedule than the world's model."
        raise UserError(what, "Give --model a model with that schedule.")
