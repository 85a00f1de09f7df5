"""From a file's keys to the pipeline's parameters: every tensor finds its place, or the file is refused by its name."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionPipeline
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from erasebench.errors import UserError

from .contents import SAFETENSORS

OTHER_MODEL = "It was made for another model: give the model that it was made from, or another file."
# Of a text encoder saved by transformers below 5: positions 0, 1, 2 ...
CONSTANT = "position_ids"
# What trainers, CompVis's code and older transformers put weights under, and which part of the pipeline each says.
WRAPPERS: Mapping[str, str] = {
    **dict.fromkeys(("state_dict", "delta_state_dict", "module", "model", "transformer", "_orig_mod"), ""),
    **dict.fromkeys(("unet", "diffusion_model"), "unet"),
    **dict.fromkeys(("text_encoder", "cond_stage_model", "text_model"), "text_encoder"),
}
# A training's state beside the model's.
TRAINING = ("optimizer", "optimizer_states", "optimizer_state_dict", "lr_scheduler", "lr_schedulers", "callbacks")


def reason_of(error: Exception) -> str:
    """The first line of an error without terminal codes and at most 200 characters; its class where it says nothing."""
    text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", str(error)).strip()
    return text.splitlines()[0][:200] if text else type(error).__name__


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, by key; those in dictionaries and lists by all their keys, joined by dots.

    What is not a tensor, and a training's optimiser, is left out. Pickles are read through torch's weights-only loader,
    which runs no code. UserError where a file cannot be read.
    """
    try:
        content = load_file(path) if path.suffix == SAFETENSORS else _unpickled(path)
    except pickle.UnpicklingError as error:
        # Its message advises to load without that protection.
        what = f"{path} contains more than tensors, so it was not opened."
        raise UserError(what, "Ask its maker to save state_dict() as .safetensors.") from error
    except (OSError, SafetensorError, RuntimeError, EOFError, ValueError, LookupError, TypeError) as error:
        raise UserError(f"{path} cannot be read ({reason_of(error)}).", "It is damaged: get the file again.") from error
    tensors = dict(_flat(content))
    if not tensors:
        raise UserError(f"{path} contains no tensors.", "Give a file of weights, of a LoRA or of an SPM.")
    return tensors


def _unpickled(path: Path) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True)


def _flat(content: Any, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    if isinstance(content, Tensor):
        yield prefix.removesuffix("."), content.detach()
    elif isinstance(content, Mapping):
        for key, value in content.items():
            if prefix or key not in TRAINING:
                yield from _flat(value, f"{prefix}{key}.")
    elif isinstance(content, list | tuple):
        for at, value in enumerate(content):
            yield from _flat(value, f"{prefix}{at}.")


def parameters_of(pipeline: StableDiffusionPipeline) -> dict[str, Tensor]:
    """Every parameter that an erasure may change, by 'unet.<name>' or 'text_encoder.<name>'."""
    return {
        f"{component}.{name}": parameter.detach()
        for component in ("unet", "text_encoder")
        for name, parameter in getattr(pipeline, component).named_parameters()
    }


def unwrapped(key: str) -> tuple[str, str]:
    """A key without the levels that WRAPPERS names, and the part of the pipeline that they say ('' for none)."""
    part = ""
    while (first := key.partition("."))[2] and first[0] in WRAPPERS:
        part, key = WRAPPERS[first[0]] or part, first[2]
    return key, part


def placed(tensors: Mapping[str, Tensor], known: Mapping[str, Tensor], path: Path, part: str = "") -> dict[str, Tensor]:
    """`tensors` by the parameters that they replace; `part`: the only component that the keys may mean.

    A parameter may be there twice with equal values. UserError for a key that is no parameter of the pipeline, is one
    with other values too, has another shape, or holds what is not a finite number.
    """
    found: dict[str, Tensor] = {}
    key_of: dict[str, str] = {}
    unknown: list[str] = []
    for key, value in tensors.items():
        if key.endswith(CONSTANT):
            continue
        name = _meaning(key, known, part)
        if name is None:
            unknown.append(key)
            continue
        check_values(key, value, path)
        if value.shape != known[name].shape:
            shapes = f"{list(value.shape)} in the file, {list(known[name].shape)} in the pipeline"
            raise UserError(f"{path}: {key} has the wrong shape: {shapes}.", OTHER_MODEL)
        if name in found and not torch.equal(found[name], value):
            what = f"{path} contains {name} twice with different values, as '{key_of[name]}' and as '{key}'."
            raise UserError(what, "Keep only one of them in the file.")
        found[name], key_of[name] = value, key
    if unknown:
        raise UserError(f"{path}: the pipeline has no parameter '{unknown[0]}'{_others(unknown)}.", OTHER_MODEL)
    return found


def _meaning(key: str, known: Mapping[str, Tensor], part: str) -> str | None:
    name, said = unwrapped(key)
    parts = [each for each in (part or said,) if each] or ["unet", "text_encoder"]
    # A folder of one part may still wrap its keys in the other's name: then they are not its own.
    if part and said and part != said:
        return None
    return next((f"{each}.{name}" for each in parts if f"{each}.{name}" in known), None)


def check_values(key: str, value: Tensor, path: Path) -> None:
    """UserError for a tensor of whole numbers (quantised) or with values that are not finite: it says how many."""
    if not value.is_floating_point():
        what = f"{path}: {key} is {str(value.dtype).removeprefix('torch.')}: quantised weights are not supported."
        raise UserError(what, "Give the weights in float32, float16 or bfloat16.")
    # Not every small float type can be asked.
    wide = value if value.element_size() > 1 else value.float()
    if wrong := int((~torch.isfinite(wide)).sum()):
        nan = int(torch.isnan(wide).sum())
        what = f"{path}: {key} has {nan} NaN and {wrong - nan} infinite values of {value.numel()}."
        raise UserError(what, "The training that made it diverged, or the file is damaged: give an earlier checkpoint.")


def _others(names: Sequence[str]) -> str:
    return f" and {len(names) - 1} more" if len(names) > 1 else ""


def whole(tensors: Mapping[str, Tensor], known: Mapping[str, Tensor], part: str, path: Path) -> None:
    """UserError where a component's folder lacks one of its parameters."""
    missing = [name for name in known if name.startswith(f"{part}.") and name not in tensors]
    if missing:
        raise UserError(
            f"{path} has no {missing[0]}{_others(missing)}.", "The file is incomplete: get the model again."
        )


def changed(tensors: Mapping[str, Tensor], known: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those that are not the pipeline's own, float32 on the CPU; rounding to half precision is no change."""
    return {
        name: value.to("cpu", torch.float32).contiguous()
        for name, value in tensors.items()
        if not torch.equal(known[name].to("cpu", value.dtype).float(), value.to("cpu").float())
    }
