"""What lies under a path, by names, configs and first bytes: its format and its files. Loads no torch."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from erasebench.errors import UserError
from erasebench.files.weights import files_digest
from erasebench.identity import digest

from .contents import SAFETENSORS, check_content

Form = Literal["folder", "tensors", "peft"]
ACCEPTED = (
    "Give a diffusers pipeline folder, a folder of a U-Net or text encoder, a .safetensors (or weights-only .pt, .pth, "
    ".ckpt, .bin) of weights, of a LoRA or of an SPM, or a peft adapter folder."
)
FILES = (SAFETENSORS, ".pt", ".pth", ".ckpt", ".bin")
STEMS = ("diffusion_pytorch_model", "model", "pytorch_model")
"""How diffusers and transformers name a component's weights."""
LORA_WEIGHTS = ("pytorch_lora_weights.safetensors", "pytorch_lora_weights.bin")
PEFT_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
PEFT_CONFIG = "adapter_config.json"
CONFIG = "config.json"
SCHEDULER_CONFIG = "scheduler_config.json"
CLASSES = {
    **{"UNet2DConditionModel": "unet", "CLIPTextModel": "text_encoder"},
    **{"clip_text_model": "text_encoder", "CLIPTextModelWithProjection": "text_encoder"},
}
"""Which part of a pipeline a folder's config says that it is, by diffusers' class or transformers' model type."""


@dataclass(frozen=True)
class Source:
    """A format and its files, by the part of the pipeline that they hold ('' where their keys say)."""

    path: Path
    form: Form
    files: Mapping[str, tuple[Path, ...]]

    @property
    def digest(self) -> str:
        """SHA-256 over the contents and names of every file that is read."""
        root = self.path if self.path.is_dir() else self.path.parent
        return files_digest((file for files in self.files.values() for file in files), root)


def digest_of(sources: Sequence[Source]) -> str:
    """Of one source its own digest; of several, over theirs in their order."""
    return sources[0].digest if len(sources) == 1 else digest([source.digest for source in sources])


def find_source(path: Path) -> Source:
    """What is to be read under `path`. UserError where nothing is, or nothing of a known format: it says what is."""
    if path.is_file():
        return Source(path, "tensors", {"": (_checked(path),)})
    if not path.is_dir():
        hint = ACCEPTED
        if re.fullmatch(r"[\w.-]+/[\w.-]+", str(path)):
            hint = f"Download a model of the hub first: hf download {path} --local-dir FOLDER."
        raise UserError(f"There is nothing at {path}.", hint)
    if (path / "model_index.json").is_file() or (path / "unet" / CONFIG).is_file():
        parts = [part for part in ("unet", "text_encoder", "vae") if part == "unet" or (path / part).is_dir()]
        files = {part: _weights_in(path / part) for part in parts}
        # Configs decide pixels too: whether they are the base model's is compared.
        files |= _configs(path, [f"{part}/{CONFIG}" for part in parts] + [f"scheduler/{SCHEDULER_CONFIG}"])
        return Source(path, "folder", files)
    if (path / PEFT_CONFIG).is_file():
        return Source(path, "peft", {"": (_first(path, PEFT_WEIGHTS),), "config": (path / PEFT_CONFIG,)})
    if any((path / name).is_file() for name in LORA_WEIGHTS):
        return Source(path, "tensors", {"": (_first(path, LORA_WEIGHTS),)})
    if (path / CONFIG).is_file():
        return Source(path, "folder", {_part_of(path): _weights_in(path)} | _configs(path, [CONFIG]))
    raise UserError(f"The folder {path} contains no model of a known format.", _instead(path))


def _checked(path: Path) -> Path:
    if path.suffix not in FILES:
        raise UserError(f"{path} has no known format.", ACCEPTED)
    check_content(path)
    return path


def _configs(path: Path, names: Sequence[str]) -> dict[str, tuple[Path, ...]]:
    return {"configs": tuple(path / name for name in names if (path / name).is_file())}


def _instead(folder: Path) -> str:
    files = sorted(path for path in folder.iterdir() if path.suffix in FILES)
    return f"Give the file itself, e.g. {files[0]}." if files else ACCEPTED


def _part_of(folder: Path) -> str:
    """'unet' or 'text_encoder', by the folder's config. UserError for the folder of another model."""
    config = read_config(folder / CONFIG)
    said = [config.get("_class_name"), *(config.get("architectures") or ()), config.get("model_type")]
    for name in said:
        if name in CLASSES:
            return CLASSES[name]
    # A config that says nothing is diffusers' own of a U-Net where it has a U-Net's blocks.
    if said == [None, None] and "down_block_types" in config:
        return "unet"
    what = next((name for name in said if name), "something else")
    hint = "Give a folder of a U-Net (UNet2DConditionModel) or of a text encoder (CLIPTextModel)."
    raise UserError(f"{folder / CONFIG} describes neither a U-Net nor a text encoder but {what}.", hint)


def read_config(path: Path) -> dict[str, Any]:
    """A component's config. UserError where it is not JSON of an object."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(config, dict):
            raise ValueError("it is not an object")
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is not a readable config ({error}).", "Get the model again.") from error
    return config


def _weights_in(folder: Path) -> tuple[Path, ...]:
    """The weight files of one component: one, or the shards that its index names; plain precision before variants."""
    for suffix in (SAFETENSORS, ".bin"):
        for stem in STEMS:
            if (folder / f"{stem}{suffix}").is_file():
                return (_checked(folder / f"{stem}{suffix}"),)
            if (index := folder / f"{stem}{suffix}.index.json").is_file():
                return _shards(index)
    variants = _variants(folder)
    if "fp16" in variants or len(variants) == 1:
        (file, *_) = variants.get("fp16") or next(iter(variants.values()))
        return _shards(file) if file.suffix == ".json" else (_checked(file),)
    if variants:
        what = f"The folder {folder} contains several variants of its weights but no plain one: {', '.join(variants)}."
        raise UserError(what, "Keep only one of them in the folder.")
    names = ", ".join(f"{stem}{SAFETENSORS}" for stem in STEMS[:2])
    raise UserError(f"The folder {folder} has no weights.", f"It must contain one of {names} ...")


def _variants(folder: Path) -> dict[str, list[Path]]:
    """Files of weights by variant ('fp16'), .safetensors first; an index is one of them, its shards are not."""
    found: dict[str, list[Path]] = {}
    for suffix in ("safetensors", "bin"):
        for stem in STEMS:
            for path in sorted(folder.glob(f"{stem}.*")):
                # diffusers wrote the variant before the ending at first, and behind '.index' later.
                match = re.fullmatch(
                    rf"{stem}\.(?:(\w+)\.{suffix}(?:\.index\.json)?|{suffix}\.index\.(\w+)\.json)", path.name
                )
                if match:
                    found.setdefault(match[1] or match[2], []).append(path)
    return found


def _shards(index: Path) -> tuple[Path, ...]:
    try:
        names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, json.JSONDecodeError, KeyError, AttributeError, TypeError) as error:
        raise UserError(f"{index} is not an index of weights ({error}).", "Get the model again.") from error
    # A shard lies beside its index, wherever a made-up one points.
    shards = tuple(index.parent / Path(str(name)).name for name in sorted(map(str, names)))
    if missing := [shard for shard in shards if not shard.is_file()]:
        raise UserError(f"{index} names {missing[0].name}, which is missing.", "Get the complete model again.")
    return tuple(map(_checked, shards))


def _first(folder: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        if (folder / name).is_file():
            return _checked(folder / name)
    raise UserError(f"The folder {folder} has no weights.", f"It must contain {' or '.join(names)}.")
