"""The settings of every training method, and the one place where published runs are scaled to the miniature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from erasebench.api.method import MethodConfig
from erasebench.identity import identity_field, runtime_field

C = TypeVar("C", bound="TrainingConfig")

MINIATURE_RUNS: Mapping[str, Any] = {"ddim_steps": 12, "start_guidance": 2.5, "pooled_runs": 32}
"""Partial runs in the miniature: as the world samples, and from a pool, since others would take most of the minute."""


class TrainingConfig(MethodConfig):
    """AdamW on noised latents. The defaults are ours, the plainest; a method's Config has the published values."""

    steps: int = identity_field(1000, "Optimiser steps", source="ours", unit="steps", ge=1)
    learning_rate: float = identity_field(1e-5, "AdamW's learning rate", source="ours", gt=0)
    batch_size: int = identity_field(
        1, "Noised latents in a step", source="ESD and Forget-Me-Not releases", unit="samples", ge=1
    )
    weight_decay: float = identity_field(
        0.0, "AdamW's weight decay; 0 is Adam", source="Adam: ESD and SalUn releases", ge=0
    )
    gradient_clip: float | None = identity_field(
        None, "Largest norm of the gradient over all tuned weights; none: no limit", source="ours", gt=0
    )
    checkpoint_every: int = runtime_field(
        50, "Steps between two checkpoints; a killed run loses at most these", source="ours", unit="steps", ge=1
    )


class PartialRunConfig(TrainingConfig):
    """How x_t comes about where no image is needed (ESD, SPM)."""

    ddim_steps: int = identity_field(
        50,
        "Steps of a whole run, by DDIM unless partial_runs says otherwise",
        source="ESD release",
        unit="steps",
        ge=2,
    )
    start_guidance: float = identity_field(3.0, "Guidance scale of the runs", source="ESD and SPM releases", ge=0)
    runs_by: Literal["tuned", "original"] = identity_field(
        "tuned",
        "Which weights sample the runs: those being tuned, or the original ones",
        source="ESD's first release, SPM",
    )
    pooled_runs: int = identity_field(
        0,
        "Draw x_t from about this many whole runs of the original model, sampled once (at least one for each concept); "
        "0: a separate run for each x_t, as published",
        source="ours",
        unit="runs",
        ge=0,
    )


def scaled_to_miniature(published: C, *, steps: int, batch_size: int, **changes: Any) -> C:
    """`published` with `steps` of `batch_size` that fit a minute on two cores; the rate makes up for fewer steps.

    Adam moves a weight by about the rate at each step, so rate x steps, the distance that a run can go, is kept where
    `changes`, which are of any field, name no learning rate of their own.
    """
    rate = published.learning_rate * published.steps / steps
    scaled = {"steps": steps, "batch_size": batch_size, "learning_rate": rate, **changes}
    return type(published).model_validate(published.model_dump() | scaled)
