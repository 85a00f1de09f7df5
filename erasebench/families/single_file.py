"""A model that is one file: what is in it, read off its first bytes and tensor names, and how to use it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from erasebench.errors import UserError

LARGEST_HEADER = 100_000_000
"""Bytes; the largest that the safetensors library itself reads."""


def single_file(path: Path) -> UserError:
    """Why `path` cannot be opened as a model folder, and what makes a folder of it. The weights are not read."""
    with path.open("rb") as handle:
        head = handle.read(64)
    again = "Download the file itself again."
    if head.startswith(b"version https://git-lfs"):
        return UserError(f"{path} is a Git-LFS pointer, not the weights that it points to.", "Run: git lfs pull")
    if head.lstrip().lower().startswith((b"<!doctype", b"<html")):
        return UserError(f"{path} is a web page, not a model.", again)
    names = tensor_names(path) if path.suffix == ".safetensors" else None
    if names is None and path.suffix not in (".ckpt", ".pt", ".pth", ".bin"):
        reason = "a damaged safetensors file" if path.suffix == ".safetensors" else "a file"
        return UserError(f"{path} is {reason}, not a model folder.", again)
    what = "a single file of weights" if names is None else _described(names)
    return UserError(f"{path} is {what}, not a folder in diffusers' format.", _hint(path, names))


def tensor_names(path: Path) -> set[str] | None:
    """The tensors of a safetensors file by its header; None where it has no readable one."""
    with path.open("rb") as handle:
        size = int.from_bytes(handle.read(8), "little")
        if not 2 <= size <= LARGEST_HEADER:
            return None
        try:
            header = json.loads(handle.read(size))
        except (ValueError, RecursionError):
            return None
    return set(header) - {"__metadata__"} if isinstance(header, dict) else None


def _described(names: set[str]) -> str:
    if _any(names, "conditioner.embedders."):
        return "a single file of Stable Diffusion XL's weights, a family that erasebench does not support"
    if _any(names, "model.diffusion_model.joint_blocks.", "model.diffusion_model.double_blocks.", "double_blocks."):
        return "a single file of a diffusion transformer's weights, a family that erasebench does not support"
    if _any(names, "model.diffusion_model."):
        whole = _any(names, "first_stage_model.") and _any(names, "cond_stage_model.")
        return "a whole model in one file, in CompVis' layout" if whole else "only a U-Net, in CompVis' layout"
    if _any(names, "lora_") or any("lora" in name for name in names):
        return "a LoRA"
    return "a file of weights, but not a whole model"


def _hint(path: Path, names: set[str] | None) -> str:
    code = (
        "from diffusers import StableDiffusionPipeline as P; "
        f"P.from_single_file({str(path)!r}).save_pretrained('FOLDER')"
    )
    convert = f"Convert it (it fetches the configs): python -c {shlex.quote(code)}, then give FOLDER."
    parts = f"To use these weights in a model: --method checkpoint --set checkpoint.path={path}, with --model FOLDER."
    if names is None:
        return f"{convert} {parts}"
    if "whole model" in (what := _described(names)) and "not a whole" not in what:
        return convert
    return "Give a Stable Diffusion v1.x model." if "a family" in what else parts


def _any(names: set[str], *prefixes: str) -> bool:
    return any(name.startswith(prefixes) for name in names)
