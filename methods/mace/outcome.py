"""From a pipeline to the matrices that MACE edits, and from edited matrices to an Erasure with its record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from erasebench.concepts import ErasureTask
from erasebench.editing.cross_attention import projections
from erasebench.editing.tokens import PromptPair
from erasebench.erasure import Erasure

from .adapters import TrainedLora
from .data import TrainingImages
from .prompts import Prior


def float64_projections(pipeline: StableDiffusionPipeline, device: torch.device) -> dict[str, Tensor]:
    """Key and value weights [out, d] of every attn2 by module name, as float64 copies on `device`."""
    return {
        name: layer.weight.detach().to(device, torch.float64, copy=True)
        for name, layer in projections(pipeline.unet).items()
    }


def erasure_of(
    weights: Mapping[str, Tensor],
    task: ErasureTask,
    pairs: Mapping[str, Sequence[PromptPair]],
    prior: Prior,
    conditions: Mapping[str, float],
    answers: Mapping[str, Sequence[str]],
    images: Sequence[TrainingImages] = (),
    loras: Sequence[TrainedLora] = (),
) -> Erasure:
    """The Erasure with `weights`, and in its record all that is needed to compute it again elsewhere.

    `answers` are the language model's by concept, none where templates were used. An infinite condition number is
    recorded as null, since JSON has no infinity.
    """
    names = [concept.name for concept in task.concepts]
    record: dict[str, Any] = {
        "anchors": {concept.name: concept.anchor for concept in task.concepts},
        "prompt_pairs": {name: [[pair.erased, pair.anchored] for pair in pairs[name]] for name in names},
        "language_model_answers": {name: list(answers[name]) for name in names if name in answers},
        "prior": prior.record,
        "condition_numbers": {
            solve: condition if condition < float("inf") else None for solve, condition in conditions.items()
        },
        "training_images": {name: dict(Counter(own.outcomes)) for name, own in zip(names, images, strict=False)},
        "lora_losses": {
            name: {"first": trained.first_loss, "last": trained.last_loss}
            for name, trained in zip(names, loras, strict=False)
        },
    }
    return Erasure({f"unet.{name}.weight": weight.to("cpu", torch.float32) for name, weight in weights.items()}, record)
