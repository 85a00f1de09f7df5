"""From a file's keys to the pipeline's parameters: every tensor finds its place, or the file is refused."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from erasebench.errors import UserError

OTHER_MODEL = "It was made for another model: give the model that it was made from, or another file."
# Of a text encoder saved by transformers below 5: a constant, and one more level of names.
CONSTANT = "position_ids"
OLD_LEVEL = "text_model."
COMPVIS = "model.diffusion_model."
# What trainers put their weights under.
WRAPPERS = ("state_dict.", "module.")


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, by key; nested dictionaries are joined by dots, and what is no tensor is left out.

    Pickles are read through torch's weights-only loader, which runs no code. UserError where a file cannot be read.
    """
    try:
        content = load_file(path) if path.suffix == ".safetensors" else _unpickled(path)
    except (OSError, SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        mend = "Get it again; a pickle that holds more than tensors has to be converted to .safetensors by its maker."
        raise UserError(f"{path} cannot be read ({reason}).", mend) from error
    tensors = dict(_flat(content))
    if not tensors:
        raise UserError(f"{path} holds no tensors.", "Give a file of changed weights or of a LoRA.")
    return tensors


def _unpickled(path: Path) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True)


def _flat(content: Any, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    if isinstance(content, Tensor):
        yield prefix.removesuffix("."), content.detach()
    elif isinstance(content, Mapping):
        for key, value in content.items():
            yield from _flat(value, f"{prefix}{key}.")


def parameters_of(pipeline: StableDiffusionPipeline) -> dict[str, Tensor]:
    """Every parameter that an erasure may change, by 'unet.<name>' or 'text_encoder.<name>'."""
    return {
        f"{component}.{name}": parameter.detach()
        for component in ("unet", "text_encoder")
        for name, parameter in getattr(pipeline, component).named_parameters()
    }


def placed(tensors: Mapping[str, Tensor], known: Mapping[str, Tensor], path: Path, part: str = "") -> dict[str, Tensor]:
    """`tensors` by the parameters that they replace; `part`: the only component that keys without prefix mean.

    UserError for a key that is no parameter of the pipeline, is one twice, or has another shape.
    """
    found: dict[str, Tensor] = {}
    unknown: list[str] = []
    for key, value in tensors.items():
        if key.endswith(CONSTANT):
            continue
        name = next((name for name in _meanings(key, part) if name in known), None)
        if name is None:
            unknown.append(key)
            continue
        if name in found:
            raise UserError(f"{path} holds {name} twice, once as '{key}'.", "Leave one of the two in the file.")
        if value.shape != known[name].shape:
            shapes = f"{list(value.shape)} in the file, {list(known[name].shape)} in the pipeline"
            raise UserError(f"{path}: {key} has the wrong shape: {shapes}.", OTHER_MODEL)
        found[name] = value
    if any(COMPVIS in key for key in unknown):
        raise UserError(
            f"{path} is in CompVis's format ('{unknown[0]}').",
            "Convert it with diffusers' scripts/convert_original_stable_diffusion_to_diffusers.py and give the folder.",
        )
    if unknown:
        raise UserError(f"{path}: the pipeline has no parameter '{unknown[0]}'{_others(unknown)}.", OTHER_MODEL)
    return found


def _meanings(key: str, part: str) -> Iterator[str]:
    for wrapper in WRAPPERS:
        key = key.removeprefix(wrapper)
    for name in (key, key.replace(OLD_LEVEL, "", 1)):
        yield from (f"{part}.{name}",) if part else (name, f"unet.{name}", f"text_encoder.{name}")


def _others(names: Sequence[str]) -> str:
    return f" and {len(names) - 1} more" if len(names) > 1 else ""


def whole(tensors: Mapping[str, Tensor], known: Mapping[str, Tensor], part: str, path: Path) -> None:
    """UserError where a component's folder lacks one of its parameters."""
    missing = [name for name in known if name.startswith(f"{part}.") and name not in tensors]
    if missing:
        raise UserError(f"{path} lacks {missing[0]}{_others(missing)}.", "The file is incomplete: get the model again.")


def changed(tensors: Mapping[str, Tensor], known: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those that are not the pipeline's own, float32 on the CPU; rounding to half precision is no change."""
    return {
        name: value.to("cpu", torch.float32).contiguous()
        for name, value in tensors.items()
        if not torch.equal(known[name].to("cpu", value.dtype), value.to("cpu"))
    }


def check_autoencoder(pipeline: StableDiffusionPipeline, folder: Path) -> None:
    """UserError where the folder's autoencoder is not the base model's: an erasure carries none."""
    try:
        other = AutoencoderKL.from_pretrained(folder / "vae").state_dict()
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise UserError(f"{folder / 'vae'} cannot be loaded ({error}).", "Get the model again.") from error
    own = pipeline.vae.state_dict()
    # Half precision, in which many folders are saved, rounds to three digits.
    same = own.keys() == other.keys() and all(
        own[name].shape == value.shape and torch.allclose(own[name].cpu().float(), value.float(), rtol=1e-2, atol=1e-3)
        for name, value in other.items()
    )
    if not same:
        raise UserError(
            f"{folder} brings another autoencoder than the world's model.",
            f"To judge its U-Net alone, give {folder / 'unet'}; to judge all of it, --model {folder}.",
        )
