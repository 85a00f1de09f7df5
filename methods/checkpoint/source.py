"""What lies under a path, told from names alone: which format, and which files decide it. Loads no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from erasebench.errors import UserError
from erasebench.weights import files_digest

Form = Literal["pipeline", "unet", "tensors", "peft"]
ACCEPTED = (
    "Give a diffusers pipeline folder, a U-Net folder, a .safetensors (or weights-only .pt, .pth, .bin) of changed "
    "tensors or of a LoRA, or a peft adapter folder."
)
FILES = (".safetensors", ".pt", ".pth", ".bin")
# How diffusers and transformers name a component's weights, the plain precision first.
WEIGHTS = tuple(
    f"{stem}{variant}{suffix}"
    for suffix in (".safetensors", ".bin")
    for variant in ("", ".fp16")
    for stem in ("diffusion_pytorch_model", "model", "pytorch_model")
)
LORA_WEIGHTS = ("pytorch_lora_weights.safetensors", "pytorch_lora_weights.bin")
PEFT_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
PEFT_CONFIG = "adapter_config.json"


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


def find_source(path: Path) -> Source:
    """What is to be read under `path`. UserError where nothing is, or nothing of a known format."""
    if path.is_file():
        if path.suffix not in FILES:
            raise UserError(f"{path} is of no known format.", ACCEPTED)
        return Source(path, "tensors", {"": (path,)})
    if not path.is_dir():
        raise UserError(f"There is nothing at {path}.", ACCEPTED)
    if (path / "model_index.json").is_file():
        parts = [part for part in ("unet", "text_encoder", "vae") if part == "unet" or (path / part).is_dir()]
        # The autoencoder's config decides whether it is the base model's.
        more = {"vae config": (path / "vae" / "config.json",)} if "vae" in parts else {}
        return Source(path, "pipeline", {part: _weights_in(path / part) for part in parts} | more)
    if (path / PEFT_CONFIG).is_file():
        return Source(path, "peft", {"": (_first(path, PEFT_WEIGHTS),), "config": (path / PEFT_CONFIG,)})
    if any((path / name).is_file() for name in LORA_WEIGHTS):
        return Source(path, "tensors", {"": (_first(path, LORA_WEIGHTS),)})
    if (path / "config.json").is_file():
        return Source(path, "unet", {"unet": _weights_in(path)})
    raise UserError(f"The folder {path} holds no model of a known format.", ACCEPTED)


def _weights_in(folder: Path) -> tuple[Path, ...]:
    """The weight files of one component: one, or the shards that its index names."""
    for name in WEIGHTS:
        if (folder / name).is_file():
            return (folder / name,)
        if (index := folder / f"{name}.index.json").is_file():
            return _shards(index)
    raise UserError(f"The folder {folder} has no weights.", f"It has to hold one of {', '.join(WEIGHTS[:2])} ...")


def _shards(index: Path) -> tuple[Path, ...]:
    try:
        names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, json.JSONDecodeError, KeyError, AttributeError) as error:
        raise UserError(f"{index} is no index of weights ({error}).", "Get the model again.") from error
    shards = tuple(index.parent / name for name in sorted(names))
    if missing := [shard for shard in shards if not shard.is_file()]:
        raise UserError(f"{index} names {missing[0].name}, which is not there.", "Get the model again, whole.")
    return shards


def _first(folder: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise UserError(f"The folder {folder} has no weights.", f"It has to hold {' or '.join(names)}.")
