"""Load a Stable Diffusion folder strictly: what is missing or misshapen is named, nothing is filled in at random."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.utils import logging as diffusers_logging
from safetensors import SafetensorError
from transformers import CLIPTextModel, PreTrainedModel
from transformers.utils import logging as transformers_logging

from erasebench.errors import UserError
from erasebench.families.model_folder import variant

log = logging.getLogger(__name__)

PARTS: dict[str, Any] = {"unet": UNet2DConditionModel, "vae": AutoencoderKL, "text_encoder": CLIPTextModel}


def load_pipeline(
    folder: Path, device: torch.device | str = "cpu", dtype: torch.dtype | None = None
) -> StableDiffusionPipeline:
    """The pipeline in `folder` on `device` (dtype None: float32), safety checker off, every module in eval mode.

    UserError naming the folder and the weight where one is missing, has the wrong shape, or cannot be read.
    """
    dtype = dtype or torch.float32
    with quiet():
        halves = {name: variant(folder / name) for name in PARTS if (folder / name).is_dir()}
        if only := {name: half for name, half in halves.items() if half is not None}:
            which = ", ".join(f"{name} ({half})" for name, half in only.items())
            log.warning("%s has only half-precision weights of %s: these are read.", folder, which)
        parts = {name: load_strictly(folder / name, kind, dtype, halves.get(name)) for name, kind in PARTS.items()}
        try:
            pipeline = StableDiffusionPipeline.from_pretrained(
                folder, **parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False
            )
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise _not_loadable(folder, error) from error
    text, cross = pipeline.text_encoder.config.hidden_size, pipeline.unet.config["cross_attention_dim"]
    if text != cross:
        what = f"{folder}: the text encoder has width {text}, but the U-Net's cross-attention expects {cross}."
        raise UserError(what, "The parts come from different models: give a folder with the parts of one model.")
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)


@contextmanager
def quiet() -> Iterator[None]:
    """Neither diffusers nor transformers reports in the block: `load_strictly` raises what they would say.

    diffusers' deprecations are of scheduler configs, which are settled when the model is sampled.
    """
    levels = diffusers_logging.get_verbosity(), transformers_logging.get_verbosity()
    diffusers_logging.set_verbosity(diffusers_logging.CRITICAL)
    transformers_logging.set_verbosity(transformers_logging.CRITICAL)
    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        diffusers_logging.set_verbosity(levels[0])
        transformers_logging.set_verbosity(levels[1])
        diffusers_logging.enable_progress_bar()
        transformers_logging.enable_progress_bar()


def load_strictly(folder: Path, kind: Any, dtype: torch.dtype, half: str | None = None) -> Any:
    """The model of class `kind` (diffusers or transformers) in `folder`, in eval mode. UserError as `load_pipeline`.

    `half`: the variant whose files are read (fp16), None for the usual ones.
    """
    # transformers names a misshapen weight only where asked to go on; the check below then refuses it.
    more: dict[str, Any] = {"ignore_mismatched_sizes": True} if issubclass(kind, PreTrainedModel) else {}
    if half is not None:
        more["variant"] = half
    try:
        model, found = kind.from_pretrained(folder, dtype=dtype, output_loading_info=True, **more)
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as error:
        raise _not_loadable(folder, error) from error
    # diffusers and transformers only warn of these and leave random numbers in their place.
    for problem in ("missing_keys", "mismatched_keys"):
        if names := sorted(entry if isinstance(entry, str) else entry[0] for entry in found.get(problem, ())):
            others = f" and {len(names) - 1} more" if len(names) > 1 else ""
            what = f"{folder}: {problem.removesuffix('_keys')} weight {names[0]}{others}."
            raise UserError(what, "The file belongs to another model or is incomplete: get the model again.")
    return model.eval()


def _not_loadable(folder: Path, error: Exception) -> UserError:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = lines[0].partition(". If you want")[0].rstrip(".") if lines else type(error).__name__
    return UserError(f"{folder} cannot be loaded: {reason}.", "Check that config and weights belong together.")
