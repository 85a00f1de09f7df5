"""What the tests of the checkpoint method share: parameters of the tiny model, and reading a path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diffusers import StableDiffusionPipeline
from torch import Tensor

from erasebench.api.erasure import Erasure
from erasebench.methods.checkpoint import Checkpoint, CheckpointConfig
from tests.methods.closed_form import task_of
from tests.methods.mace.workspace import TestWorkspace

VALUE = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_v.weight"
QUERY = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q.weight"
CONV = "down_blocks.0.resnets.0.conv1.weight"
TEXT = "encoder.layers.0.self_attn.q_proj.weight"


def read(path: Path | str | list[Path], pipeline: StableDiffusionPipeline, **settings: Any) -> Erasure:
    config = CheckpointConfig(path=path, **settings)
    workspace = TestWorkspace(pipeline, config.path[0].parent / "scratch")
    return Checkpoint(config).erase(pipeline, task_of(), workspace)


def parameter(pipeline: StableDiffusionPipeline, name: str) -> Tensor:
    return pipeline.unet.get_parameter(name).detach()
