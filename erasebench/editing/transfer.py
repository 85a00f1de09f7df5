"""Key and value projections as a closed form's matrices, their edit W' = W T, and what an Erasure holds of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from erasebench.editing.cross_attention import projections


def float64_projections(unet: UNet2DConditionModel, device: torch.device) -> dict[str, Tensor]:
    """Key and value weights [out, d] of every attn2 by module name, as float64 copies on `device`."""
    return {
        name: layer.weight.detach().to(device, torch.float64, copy=True) for name, layer in projections(unet).items()
    }


def as_tensors(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights by module name as an Erasure holds them: by 'unet.<name>.weight', float32 on the CPU."""
    return {f"unet.{name}.weight": weight.to("cpu", torch.float32) for name, weight in weights.items()}


def edited(weights: Mapping[str, Tensor], transfer: Tensor) -> dict[str, Tensor]:
    """W T [out, d] for every W [out, d] and T [d, d], multiplied in float64."""
    return {name: weight.double() @ transfer for name, weight in weights.items()}


def edited_projections(unet: UNet2DConditionModel, transfer: Tensor) -> dict[str, Tensor]:
    """W T [out, d] for every projection W: an Erasure's tensors."""
    return as_tensors(edited(float64_projections(unet, transfer.device), transfer))


def output_gram(weights: Iterable[Tensor]) -> Tensor:
    """Sum of W^T W over the projections W [out, d], [d, d] in their dtype: how strongly they answer to a direction."""
    return torch.stack([weight.T @ weight for weight in weights]).sum(dim=0)


def json_condition(conditions: Mapping[str, float]) -> dict[str, float | None]:
    """Condition numbers by solve for a record; an infinite one is null, since JSON has no infinity."""
    return {solve: condition if condition < float("inf") else None for solve, condition in conditions.items()}
