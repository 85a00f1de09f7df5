"""Random weights for OpenAI's ViT-B/32 as a state dict of torch's: 151 million numbers that take 7 MB on disk."""

from __future__ import annotations

import math
from pathlib import Path

import open_clip
import torch
from open_clip.model import CLIP

from erasebench.files.atomic import atomic_write
from erasebench.judges.clip import OPENAI_MODEL
from erasebench.testing.standins.mark import mark_archive
from erasebench.testing.standins.thin import thin_state

_TEMPERATURE = 100.0


def write_clip(path: Path) -> Path:
    """`path`, which ends in .bin: --judge-set clip=PATH --judge-set trust_torchscript=true."""
    with torch.device("meta"):
        shapes = CLIP(**(open_clip.get_model_config(OPENAI_MODEL) or {})).state_dict()
    state = thin_state(shapes, seed=5)
    state["logit_scale"] = torch.tensor(math.log(_TEMPERATURE))
    with atomic_write(path) as temporary:
        torch.save(state, temporary)
        mark_archive(temporary)
    return path
