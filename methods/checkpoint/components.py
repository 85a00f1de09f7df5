"""What a folder brings beside its weights: configs, a schedule, an autoencoder. An erasure carries none of these."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from safetensors import SafetensorError
from torch import Tensor

from erasebench.errors import UserError

from .source import CONFIG, SCHEDULER_CONFIG, Source, read_config
from .tensors import OTHER_MODEL, reason_of

# What decides no pixel at equal weights and at the size that the world samples.
_SILENT = ("sample_size", "dtype", "torch_dtype", "architectures", "model_type", "force_upcast")
_TEXT = ("hidden_act", "hidden_size", "intermediate_size", "layer_norm_eps", "num_attention_heads", "num_hidden_layers")
_SCHEDULE = ("prediction_type", "num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas")


def check_components(pipeline: StableDiffusionPipeline, source: Source) -> None:
    """UserError where a folder's configs, schedule or autoencoder are not the base model's."""
    for path in source.files.get("configs", ()):
        part = next((each for each in ("unet", "text_encoder") if each in source.files), "unet")
        if path.parent != source.path:
            part = path.parent.name
        theirs = read_config(path)
        if path.name == SCHEDULER_CONFIG:
            _check_config(path, theirs, dict(pipeline.scheduler.config), _SCHEDULE)
        elif path.name == CONFIG and part == "unet":
            _check_config(path, theirs, dict(pipeline.unet.config), tuple(theirs))
        elif path.name == CONFIG and part == "text_encoder":
            _check_config(path, theirs, pipeline.text_encoder.config.to_dict(), _TEXT)
    if "vae" in source.files:
        _check_autoencoder(pipeline, source)


def _check_config(path: Path, theirs: Mapping[str, Any], own: Mapping[str, Any], keys: tuple[str, ...]) -> None:
    for key in keys:
        if key.startswith("_") or key in _SILENT or key not in theirs or key not in own:
            continue
        given, expected = _plain(theirs[key]), _plain(own[key])
        if given != expected and (given or expected):
            what = f"{path}: {key} is {json.dumps(given)}, but {json.dumps(expected)} in the world's model."
            raise UserError(what, OTHER_MODEL)


def _plain(value: Any) -> Any:
    """As JSON has it; one number for every block is that number."""
    value = json.loads(json.dumps(value, default=str))
    same = isinstance(value, list) and value and all(each == value[0] for each in value)
    return value[0] if same and isinstance(value[0], int) else value


def _check_autoencoder(pipeline: StableDiffusionPipeline, source: Source) -> None:
    folder = source.path / "vae"
    parts = source.files["vae"][0].name.split(".")
    variant = {"variant": parts[1]} if len(parts) == 3 else {}
    try:
        other = AutoencoderKL.from_pretrained(folder, **variant).state_dict()
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise UserError(f"{folder} cannot be loaded ({reason_of(error)}).", "Get the model again.") from error
    check_same_autoencoder(pipeline, other, source.path)


def check_same_autoencoder(pipeline: StableDiffusionPipeline, other: Mapping[str, Tensor], path: Path) -> None:
    """UserError where the autoencoder in `path` is not the base model's, up to half precision's three digits."""
    own = pipeline.vae.state_dict()
    same = own.keys() == other.keys() and all(
        own[name].shape == value.shape and torch.allclose(own[name].cpu().float(), value.float(), rtol=1e-2, atol=1e-3)
        for name, value in other.items()
    )
    if not same:
        hint = f"To judge the whole model, give --model {path}; to judge only its U-Net, give that."
        if (path / "unet").is_dir():
            hint = f"To judge only its U-Net, give {path / 'unet'}; to judge the whole model, give --model {path}."
        raise UserError(f"{path} has another autoencoder than the world's model.", hint)
