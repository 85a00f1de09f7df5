"""A LoRA, folded into the weights that it adapts by the library that defines its format."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from diffusers.utils import logging as diffusers_logging
from peft import PeftModel, get_peft_model_state_dict
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors import SafetensorError
from torch import Tensor

from erasebench.errors import UserError

from .lora_keys import DORA, MAGNITUDE, format_of, pairs_of
from .tensors import OTHER_MODEL, check_values, parameters_of, reason_of

# Prefixes by which diffusers' loader finds the part of the pipeline; other keys are the U-Net's.
PREFIXES = ("unet.", "text_encoder.", "lora_unet_", "lora_te_")
LOADING = (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, IndexError, SafetensorError)


def folded_peft(
    pipeline: StableDiffusionPipeline, folder: Path, tensors: Mapping[str, Tensor], scale: float
) -> dict[str, Tensor]:
    """The parameters of the U-Net with a peft adapter folder merged into them, by 'unet.<name>'; UserError as below."""
    _check_factors(folder, tensors, scale)
    unet = copy.deepcopy(pipeline.unet)
    with _named(folder):
        model = PeftModel.from_pretrained(unet, folder)
        expected = set(get_peft_model_state_dict(model))
        if stray := sorted(expected ^ set(tensors)):
            what = f"{folder}: '{stray[0]}' is {'missing' if stray[0] in expected else 'not of its config'}."
            raise UserError(what, OTHER_MODEL)
        _check_layers(folder, tensors, _scaled(unet, scale))
        unet = model.merge_and_unload()
    return {f"unet.{name}": parameter.detach() for name, parameter in unet.named_parameters()}


def folded(
    pipeline: StableDiffusionPipeline, file: Path, tensors: dict[str, Tensor], scale: float
) -> dict[str, Tensor]:
    """All parameters with a diffusers or kohya LoRA folded in, by 'unet.<name>' or 'text_encoder.<name>'.

    `pipeline` is left alone: the LoRA goes into a copy. UserError for a key that would be left out, for a format that
    diffusers' loader cannot convert, for a layer that the model does not have, or has in another shape.
    """
    form = format_of(tensors, file)
    _check_factors(file, tensors, scale)
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
    found = parameters_of(edited)
    if form == "kohya":
        # diffusers leaves kohya's magnitudes out.
        for key, magnitude in tensors.items():
            if key.endswith(f".{DORA}"):
                name = _parameter(key.removesuffix(f".{DORA}"), found, file)
                found[name] = with_magnitude(found[name], magnitude, key, file)
    return found


def with_magnitude(weight: Tensor, magnitude: Tensor, key: str, path: Path) -> Tensor:
    """DoRA (arXiv 2402.09353): the direction of `weight` [out, in, ...], which has the pair in it, of this length.

    `magnitude` [out, 1, ...]: of each output's row; [1, in, ...]: of each input's column, as LyCORIS also writes it.
    UserError for another shape.
    """
    rows, columns = (weight.shape[0], 1), (1, weight.shape[1])
    shape = tuple(magnitude.shape[:2])
    if magnitude.ndim < 2 or shape not in (rows, columns) or magnitude.numel() not in weight.shape[:2]:
        what = f"{path}: {key} has the shape {list(magnitude.shape)}, for a weight of {list(weight.shape)}."
        raise UserError(what, OTHER_MODEL)
    kept = 0 if shape == rows else 1
    rest = [axis for axis in range(weight.ndim) if axis != kept]
    length = weight.double().square().sum(dim=rest, keepdim=True).sqrt()
    if not bool((length > 0).all()):
        raise UserError(f"{path}: {key} scales a direction of length 0.", "The file is damaged: get it again.")
    return (weight.double() / length * magnitude.double().reshape(length.shape)).to(weight.dtype)


def _parameter(layer: str, known: Mapping[str, Tensor], path: Path) -> str:
    """The parameter that kohya's name of a layer means: the module's, with underscores for dots."""
    for prefix, parts in (("lora_unet_", ("unet.",)), ("lora_te_", ("text_encoder.", "text_encoder.text_model."))):
        for part in parts:
            for name in known:
                module = name.removeprefix("text_encoder.").removeprefix("unet.").removesuffix(".weight")
                full = part.partition(".")[2] + module
                if name.startswith(part.partition(".")[0]) and layer == prefix + full.replace(".", "_"):
                    return name
    raise UserError(f"{path}: the pipeline has no layer '{layer}'.", OTHER_MODEL)


def _check_factors(path: Path, tensors: Mapping[str, Tensor], scale: float) -> None:
    for key, value in tensors.items():
        check_values(key, value.float() if key.endswith(".alpha") else value, path)
    if scale != 1 and any(DORA in key or MAGNITUDE in key for key in tensors):
        what = (
            f"{path} is a DoRA, but checkpoint.lora_scale is {scale}: a strength other than 1 is ambiguous for a DoRA."
        )
        raise UserError(what, "Leave checkpoint.lora_scale out.")


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Failures of the loaders become one that names the file; what they warn of, the checks here refuse."""
    verbosity = diffusers_logging.get_verbosity()
    diffusers_logging.set_verbosity(diffusers_logging.CRITICAL)
    try:
        yield
    except LOADING as error:
        raise UserError(f"The LoRA {path} does not fit this model ({reason_of(error)}).", OTHER_MODEL) from error
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
    pairs = pairs_of(tensors)
    if pairs != len(layers) or pairs == 0:
        raise UserError(
            f"Only {len(layers)} of the {pairs} pairs of the LoRA {path} have a layer in this model.", OTHER_MODEL
        )
