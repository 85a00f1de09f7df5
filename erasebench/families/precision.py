"""A pipeline in another precision."""

from __future__ import annotations

import torch
from diffusers import StableDiffusionPipeline

from erasebench.families.loading import quiet

ROUNDED = ("unet", "text_encoder")
"""The VAE stays in float32: it decodes once an image, and overflows first."""


def in_precision(pipeline: StableDiffusionPipeline, dtype: str) -> StableDiffusionPipeline:
    """The same pipeline, its U-Net and text encoder rounded once to `dtype`: 'bfloat16', 'float16'; 'float32': none."""
    with quiet():
        for part in ROUNDED:
            getattr(pipeline, part).to(dtype=getattr(torch, dtype))
    return pipeline
