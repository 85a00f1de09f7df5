"""A pipeline as one file, as web UIs load it."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import save_file

from erasebench.api.erasure import Erasure
from erasebench.errors import UserError
from erasebench.families import single_file
from erasebench.families.compvis_names import text_weights, unet_names, vae_weights
from erasebench.families.single_file import ARCHITECTURE, configs_in
from erasebench.files.atomic import atomic_write

ARCHITECTURES = {
    "stable-diffusion-v1": "stable-diffusion-v1",
    "stable-diffusion-v2-base": "stable-diffusion-v2-512",
    "stable-diffusion-v2-v": "stable-diffusion-v2-768-v",
}
"""Each kind as Stability AI's model spec names it, by which the file is opened again."""
_DECIDING = {
    "unet": (
        *("in_channels", "out_channels", "layers_per_block", "block_out_channels", "down_block_types"),
        *("up_block_types", "cross_attention_dim", "attention_head_dim"),
    ),
    "vae": ("block_out_channels", "latent_channels", "scaling_factor"),
    "scheduler": ("prediction_type", "beta_start", "beta_end", "beta_schedule"),
}
"""The keys of each config that decide what the weights mean, and that a file leaves to whoever opens it."""


def export_file(erasure: Erasure, pipeline: StableDiffusionPipeline, file: Path) -> None:
    """Write the whole edited model to `file`, a .safetensors in CompVis' layout, float32.

    UserError for a change of sampling: a file holds weights alone, and without it a web UI would show what was erased.
    UserError as `exported_kind`.
    """
    if erasure.sampling is not None:
        raise UserError(
            f"This erasure changes how images are sampled ({erasure.sampling.kind}): one file cannot store this.",
            "Sample with erasebench sample --erasure FOLDER.",
        )
    kind = exported_kind(pipeline)
    with erasure.applied_to(pipeline):
        names = unet_names(pipeline.unet)
        tensors = {names[name]: value for name, value in pipeline.unet.state_dict().items()}
        tensors |= vae_weights(pipeline.vae) | text_weights(pipeline.text_encoder)
        stored = {name: value.detach().to("cpu", torch.float32, copy=True) for name, value in tensors.items()}
    metadata = {"format": "pt", ARCHITECTURE: ARCHITECTURES[kind], "erasebench.erasure": erasure.digest}
    with atomic_write(file) as temporary:
        save_file({name: value.contiguous() for name, value in stored.items()}, temporary, metadata=metadata)


def exported_kind(pipeline: StableDiffusionPipeline) -> str:
    """The kind of model, a folder of CONFIGS, that whoever opens the file will take it for.

    UserError where the model's configs are not those of any: a file has none, so that it would be built wrongly.
    """
    own = {"unet": pipeline.unet.config, "vae": pipeline.vae.config, "scheduler": pipeline.scheduler.config}
    folders = [single_file.CONFIGS / kind for kind in ARCHITECTURES]
    known = {folder.name: configs_in(folder) for folder in folders if folder.is_dir()}
    differences = {
        kind: [
            f"{part}.{key}"
            for part, keys in _DECIDING.items()
            for key in keys
            if _plain(own[part].get(key)) != published[part].get(key)
        ]
        for kind, published in known.items()
    }
    nearest = min(differences, key=lambda kind: len(differences[kind]))
    if differences[nearest]:
        differ = ", ".join(differences[nearest][:3])
        what = f"This model is no {nearest} ({differ} differ), and one file stores no configs."
        raise UserError(what, "Export it as a folder: --export FOLDER.")
    return nearest


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
