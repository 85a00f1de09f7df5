"""A model that is one file, in CompVis' layout: what is in it, by its tensors' names and shapes, no weight read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from erasebench.errors import UserError

LARGEST_HEADER = 100_000_000
"""Bytes; the largest that the safetensors library itself reads."""
CONFIGS = Path(__file__).parent / "configs"
"""A folder for each kind of model, as its parts' configs were published."""
WIDTHS = {768: "v1", 1024: "v2"}
"""Stable Diffusion's versions by the width of a token's state."""
PICKLES = (".ckpt", ".pt", ".pth", ".bin")
UNET, VAE = "model.diffusion_model.", "first_stage_model."
CLIP, OPEN_CLIP = "cond_stage_model.transformer.", "cond_stage_model.model."
_WIDTH = f"{UNET}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
_INPUT = f"{UNET}input_blocks.0.0.weight"
ARCHITECTURE = "modelspec.architecture"
_AGAIN = "Download the file itself again."


class FileModel(NamedTuple):
    """A whole model in one file, and the folder of configs that it is built by: unet, vae, text_encoder, scheduler."""

    file: Path
    configs: Path


class Contents(NamedTuple):
    """A file's tensors: the shape of each by name, and its metadata (of safetensors alone)."""

    shapes: Mapping[str, tuple[int, ...]]
    metadata: Mapping[str, str]


def file_model(path: Path) -> FileModel:
    """The model in `path`, .safetensors or .ckpt (read with pickle's weights alone). UserError: what it is instead."""
    with path.open("rb") as handle:
        head = handle.read(64)
    if head.startswith(b"version https://git-lfs"):
        raise UserError(f"{path} is a Git-LFS pointer, not the weights that it points to.", "Run: git lfs pull")
    if head.lstrip().lower().startswith((b"<!doctype", b"<html")):
        raise UserError(f"{path} is a web page, not a model.", _AGAIN)
    if path.suffix not in (".safetensors", *PICKLES):
        raise UserError(f"{path} is a file, not a model.", "Give a folder, a .safetensors or a .ckpt file.")
    contents = _safetensors(path) if path.suffix == ".safetensors" else _pickled(path)
    names = set(contents.shapes)
    whole = all(_any(names, prefix) for prefix in (UNET, VAE, "cond_stage_model."))
    if not whole:
        raise UserError(f"{path} is {_described(names)}, not a whole model.", _way_out(path, names))
    return FileModel(path, CONFIGS / _kind(path, contents))


def configs_in(folder: Path) -> dict[str, Any]:
    """The configs in a folder of CONFIGS, by part."""
    return {path.parent.name: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*/*.json")}


def _kind(path: Path, contents: Contents) -> str:
    """The name of its configs. UserError for a model of other inputs, or of which the file does not say enough."""
    channels, width = (_second(contents.shapes.get(name, ())) for name in (_INPUT, _WIDTH))
    if channels != 4:
        what = f"{path}: its U-Net takes {channels} channels, and that of Stable Diffusion takes 4."
        raise UserError(what, "Give a text-to-image model (9 channels: inpainting), or the model's folder.")
    hint = "Give the model as a folder in diffusers' format, which has the model's configs."
    if WIDTHS.get(width) == "v1":
        return "stable-diffusion-v1"
    if width not in WIDTHS:
        raise UserError(f"{path}: its text states have width {width}; v1.x has 768, v2.x has 1024.", hint)
    said = str(contents.metadata.get(ARCHITECTURE, ""))
    if "v2-768" in said:
        return "stable-diffusion-v2-v"
    if "v2-512" in said or "v2-base" in said:
        return "stable-diffusion-v2-base"
    what = f"{path} is a Stable Diffusion v2.x model that does not say what it predicts, the noise or v."
    raise UserError(what, f"{hint} (A file says it in its metadata: {ARCHITECTURE}.)")


def _second(shape: tuple[int, ...]) -> int:
    return shape[1] if len(shape) > 1 else 0


def _safetensors(path: Path) -> Contents:
    damaged = UserError(f"{path} is a damaged safetensors file.", _AGAIN)
    with path.open("rb") as handle:
        size = int.from_bytes(handle.read(8), "little")
        if not 2 <= size <= LARGEST_HEADER:
            raise damaged
        try:
            header: Any = json.loads(handle.read(size))
            metadata = dict(header.pop("__metadata__", {}))
            return Contents({name: tuple(entry["shape"]) for name, entry in header.items()}, metadata)
        except (ValueError, RecursionError, AttributeError, TypeError, KeyError) as error:
            raise damaged from error


def _pickled(path: Path) -> Contents:
    from erasebench.families.pickled import read_pickle

    return Contents({name: tuple(value.shape) for name, value in read_pickle(path).items()}, {})


def _described(names: set[str]) -> str:
    if _any(names, "conditioner.embedders."):
        return "a single file of Stable Diffusion XL's weights, a family that erasebench does not support"
    if _any(names, f"{UNET}joint_blocks.", f"{UNET}double_blocks.", "double_blocks."):
        return "a single file of a diffusion transformer's weights, a family that erasebench does not support"
    if _any(names, UNET):
        return "only a U-Net, in CompVis' layout"
    if any("lora" in name for name in names):
        return "a LoRA"
    return "a file of weights"


def _way_out(path: Path, names: set[str]) -> str:
    if "a family" in _described(names):
        return "Give a Stable Diffusion v1.x or v2.x model."
    return f"To use these weights in a model: --method checkpoint --set checkpoint.path={path}, with --model FOLDER."


def _any(names: set[str], *prefixes: str) -> bool:
    return any(name.startswith(prefixes) for name in names)
