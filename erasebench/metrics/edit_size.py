"""How large an edit is: what it changed of a pipeline's own weights, and what it needs beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch

from erasebench.api.erasure import COMPONENTS, Erasure
from erasebench.api.value import Edit

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

_BYTES = torch.float32.itemsize
_DIGITS = 6
"""Significant digits of the relative change: fewer than the order of a sum can move."""


class _Change(NamedTuple):
    """Of one tensor: values in all, values changed, ||W' - W||^2 and ||W||^2."""

    component: str
    size: int
    values: int
    squared_change: float
    squared_norm: float


def edit_size(erasure: Erasure, pipeline: StableDiffusionPipeline) -> Edit:
    """The size of `erasure` on the `pipeline` that it was made for, summed in float64 on the CPU.

    UserError for a parameter that the pipeline does not have, or has in another shape; the pipeline stays as it is.
    """
    own = {
        f"{component}.{name}": parameter
        for component in COMPONENTS
        for name, parameter in getattr(pipeline, component).named_parameters()
    }
    before = {name: own[name].data for name in erasure.tensors if name in own}
    # As sampling applies it: checked against the pipeline, and in its dtype.
    with Erasure(erasure.tensors).applied_to(pipeline):
        changes = [_change(name, before[name], own[name].data) for name in sorted(erasure.tensors)]
    changed = [change for change in changes if change.values]
    totals = {part: sum(p.numel() for p in getattr(pipeline, part).parameters()) for part in COMPONENTS}
    shares = {
        part: sum(change.values for change in changed if change.component == part) / max(total, 1)
        for part, total in totals.items()
    }
    beside = erasure.sampling.tensors.values() if erasure.sampling else ()
    return Edit(
        tensors=len(changed),
        values=sum(change.values for change in changed),
        unet_share=shares["unet"],
        text_encoder_share=shares["text_encoder"],
        relative_change=_relative(changed),
        sampling=erasure.sampling.kind if erasure.sampling else None,
        bytes=_BYTES * (sum(change.size for change in changed) + sum(tensor.numel() for tensor in beside)),
    )


def mean_edit(edits: Sequence[Edit | None]) -> Edit | None:
    """The mean over the runs of one method, counts to whole numbers; None where one was not measured."""
    measured = [edit for edit in edits if edit is not None]
    if not measured or len(measured) < len(edits):
        return None
    n = len(measured)
    relative = [edit.relative_change for edit in measured if edit.relative_change is not None]
    return Edit(
        tensors=round(sum(edit.tensors for edit in measured) / n),
        values=round(sum(edit.values for edit in measured) / n),
        unet_share=sum(edit.unet_share for edit in measured) / n,
        text_encoder_share=sum(edit.text_encoder_share for edit in measured) / n,
        relative_change=_rounded(sum(relative) / n) if len(relative) == n else None,
        sampling=measured[0].sampling,
        bytes=round(sum(edit.bytes for edit in measured) / n),
    )


def _change(name: str, before: torch.Tensor, after: torch.Tensor) -> _Change:
    differs = int((before != after).sum())
    old, new = before.detach().to("cpu", torch.float64), after.detach().to("cpu", torch.float64)
    squared_change, squared_norm = float((new - old).square().sum()), float(old.square().sum())
    return _Change(name.partition(".")[0], before.numel(), differs, squared_change, squared_norm)


def _relative(changed: Sequence[_Change]) -> float | None:
    """None for weights that are no numbers, and for a change of what was all zero."""
    if not changed:
        return 0.0
    norm = math.sqrt(sum(change.squared_norm for change in changed))
    moved = math.sqrt(sum(change.squared_change for change in changed))
    return _rounded(moved / norm) if norm and math.isfinite(norm + moved) else None


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
