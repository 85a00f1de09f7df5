"""A pipeline as one file, as web UIs load it."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import save_file

from erasebench.api.erasure import Erasure
from erasebench.errors import UserError
from erasebench.families.compvis_names import text_weights, unet_names, vae_weights
from erasebench.families.single_file import ARCHITECTURE
from erasebench.files.atomic import atomic_write


def export_file(erasure: Erasure, pipeline: StableDiffusionPipeline, file: Path) -> None:
    """Write the whole edited model to `file`, a .safetensors in CompVis' layout, float32.

    UserError for a change of sampling: a file holds weights alone, and without it a web UI would show what was erased.
    """
    if erasure.sampling is not None:
        raise UserError(
            f"This erasure changes how images are sampled ({erasure.sampling.kind}): one file cannot store this.",
            "Sample with erasebench sample --erasure FOLDER.",
        )
    with erasure.applied_to(pipeline):
        names = unet_names(pipeline.unet)
        tensors = {names[name]: value for name, value in pipeline.unet.state_dict().items()}
        tensors |= vae_weights(pipeline.vae) | text_weights(pipeline.text_encoder)
        stored = {name: value.detach().to("cpu", torch.float32, copy=True) for name, value in tensors.items()}
    metadata = {"format": "pt", ARCHITECTURE: _architecture(pipeline), "erasebench.erasure": erasure.digest}
    with atomic_write(file) as temporary:
        save_file({name: value.contiguous() for name, value in stored.items()}, temporary, metadata=metadata)


def _architecture(pipeline: StableDiffusionPipeline) -> str:
    """As Stability AI's model spec names it, by which the file is opened again."""
    if pipeline.text_encoder.config.hidden_act == "quick_gelu":
        return "stable-diffusion-v1"
    predicts = pipeline.scheduler.config.get("prediction_type", "epsilon")
    return "stable-diffusion-v2-768-v" if predicts == "v_prediction" else "stable-diffusion-v2-512"
