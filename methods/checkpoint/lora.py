"""A LoRA, folded into the weights that it adapts by the library that defines its format."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from diffusers.utils import logging as diffusers_logging
from peft import PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors import SafetensorError
from torch import Tensor

from erasebench.errors import UserError

from .source import PEFT_CONFIG
from .tensors import OTHER_MODEL, parameters_of

# The first factor of a pair as peft, diffusers (three generations) and kohya name it.
FIRST_FACTOR = re.compile(r"(lora_A|lora\.down|lora_down|lora_linear_layer\.down)\.(\w+\.)?weight$")
PREFIXES = ("unet.", "text_encoder.", "lora_unet_", "lora_te_")
PEFT_PREFIX = "base_model.model."
LOADING = (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, SafetensorError)


def is_lora(tensors: Mapping[str, Tensor]) -> bool:
    """Whether these are factors of a LoRA rather than weights."""
    return any("lora" in key for key in tensors)


def folded_peft(
    pipeline: StableDiffusionPipeline, folder: Path, tensors: Mapping[str, Tensor], scale: float
) -> dict[str, Tensor]:
    """The parameters of the U-Net with a peft adapter folder merged into them, by 'unet.<name>'; UserError as below."""
    unet = copy.deepcopy(pipeline.unet)
    with _named(folder):
        model = PeftModel.from_pretrained(unet, folder)
        _check_layers(folder, tensors, _scaled(unet, scale))
        unet = model.merge_and_unload()
    return {f"unet.{name}": parameter.detach() for name, parameter in unet.named_parameters()}


def folded(
    pipeline: StableDiffusionPipeline, file: Path, tensors: dict[str, Tensor], scale: float
) -> dict[str, Tensor]:
    """All parameters with a diffusers or kohya LoRA folded in, by 'unet.<name>' or 'text_encoder.<name>'.

    `pipeline` is left alone: the LoRA goes into a copy. UserError for a format that diffusers' loader cannot convert,
    for a layer that the model does not have, or has in another shape.
    """
    if any(key.startswith(PEFT_PREFIX) for key in tensors):
        raise UserError(f"{file} is a peft adapter without its config.", f"Give the folder that holds {PEFT_CONFIG}.")
    parts = {name: copy.deepcopy(getattr(pipeline, name)) for name in ("unet", "text_encoder")}
    edited = StableDiffusionPipeline(**{**pipeline.components, **parts}, requires_safety_checker=False)
    with _named(file):
        if any(key.startswith(PREFIXES) for key in tensors):
            # By path, since the file's header can hold the scale.
            edited.load_lora_weights(file.parent, weight_name=file.name, local_files_only=True)
        else:
            edited.load_lora_weights({f"unet.{key}": value for key, value in tensors.items()})
        _check_layers(file, tensors, [*_layers(edited.unet), *_layers(edited.text_encoder)])
        edited.fuse_lora(lora_scale=scale)
        edited.unload_lora_weights()
    return parameters_of(edited)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Failures of the loaders become one that names the file; what they warn of, `_check_layers` refuses."""
    verbosity = diffusers_logging.get_verbosity()
    diffusers_logging.set_verbosity(diffusers_logging.CRITICAL)
    try:
        yield
    except LOADING as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(f"The LoRA {path} does not fit this model ({reason}).", OTHER_MODEL) from error
    finally:
        diffusers_logging.set_verbosity(verbosity)


def _layers(model: torch.nn.Module) -> list[BaseTunerLayer]:
    return [module for module in model.modules() if isinstance(module, BaseTunerLayer)]


def _scaled(model: torch.nn.Module, scale: float) -> list[BaseTunerLayer]:
    layers = _layers(model)
    for layer in layers:
        layer.scale_layer(scale)
    return layers


def _check_layers(path: Path, tensors: Mapping[str, Tensor], layers: list[BaseTunerLayer]) -> None:
    """UserError where the file's pairs did not all find a layer: the loaders leave such ones out with a warning."""
    pairs = sum(FIRST_FACTOR.search(key) is not None for key in tensors)
    if pairs != len(layers) or pairs == 0:
        raise UserError(
            f"Of the {pairs} pairs of the LoRA {path}, {len(layers)} have a layer in this model.", OTHER_MODEL
        )
