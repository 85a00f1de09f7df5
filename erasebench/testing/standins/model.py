"""A random Stable Diffusion in diffusers' format, whose images are large enough to hold a face."""

from __future__ import annotations

from pathlib import Path

from erasebench.files.atomic import atomic_folder
from erasebench.testing.model import tiny_pipeline
from erasebench.testing.standins.mark import mark_safetensors

SIDE = 48
"""Pixels; the tests' own model generates 16, and the face detector looks for no smaller faces than 20."""


def write_model(folder: Path) -> Path:
    """A whole model folder, 1 MB."""
    pipeline = tiny_pipeline()
    pipeline.unet.register_to_config(sample_size=SIDE // 2)
    pipeline.vae.register_to_config(sample_size=SIDE)
    with atomic_folder(folder) as temporary:
        pipeline.save_pretrained(temporary)
        mark_safetensors(temporary)
    return folder
