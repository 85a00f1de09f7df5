"""From the one matrix T of a closed form to the edit W' = W T of every key and value projection."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from erasebench.editing.cross_attention import projections


def edited_projections(unet: UNet2DConditionModel, transfer: Tensor) -> dict[str, Tensor]:
    """W T [out, d] for every projection W, multiplied in float64: an Erasure's tensors, by 'unet.<name>.weight'."""
    return {
        f"unet.{name}.weight": (layer.weight.detach().to(transfer) @ transfer).to("cpu", torch.float32)
        for name, layer in projections(unet).items()
    }


def output_gram(unet: UNet2DConditionModel, device: torch.device) -> Tensor:
    """Sum of W^T W over all key and value projections, [d, d] float64: how strongly they answer to a direction."""
    layers = list(projections(unet).values())
    total = torch.zeros(layers[0].in_features, layers[0].in_features, dtype=torch.float64, device=device)
    for layer in layers:
        weight = layer.weight.detach().to(total)
        total += weight.T @ weight
    return total


def json_condition(conditions: Mapping[str, float]) -> dict[str, float | None]:
    """Condition numbers by solve for a record; an infinite one is null, since JSON has no infinity."""
    return {solve: condition if condition < float("inf") else None for solve, condition in conditions.items()}
