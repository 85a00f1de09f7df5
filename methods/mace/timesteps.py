"""When in the diffusion a LoRA trains: concept-focal importance sampling (paper, section 4.2)."""

from __future__ import annotations

import torch
from torch import Tensor

from .config import MaceConfig


def timestep_density(config: MaceConfig, n_timesteps: int) -> Tensor:
    """Probability [n_timesteps] of each timestep: s(a (t - start)) - s(a (t - end)), s the logistic; or uniform."""
    if not config.focal_sampling:
        return torch.full((n_timesteps,), 1 / n_timesteps, dtype=torch.float64)
    t = torch.arange(n_timesteps, dtype=torch.float64)
    density = torch.sigmoid(config.focal_slope * (t - config.focal_start)) - torch.sigmoid(
        config.focal_slope * (t - config.focal_end)
    )
    return density / density.sum()
