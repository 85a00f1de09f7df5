"""A prompt's states with one part of it taken from another prompt: its tail, or its words."""

from __future__ import annotations

import torch
from torch import Tensor


def without_tail(states: Tensor, ends: Tensor, other: Tensor, keep_end: Tensor) -> Tensor:
    """States [B, n, d] whose padding (where not `keep_end` [B], end-of-text too) is `other`'s at the same positions.

    `ends` [B] is the position of each end-of-text token.
    """
    position = torch.arange(states.shape[1], device=states.device)
    first = (ends + keep_end.long()).to(states.device)
    return torch.where((position >= first[:, None])[..., None], other, states)


def without_words(states: Tensor, ends: Tensor, empty: Tensor) -> Tensor:
    """States whose words (all before the end-of-text token) are the empty prompt's at the same positions."""
    position = torch.arange(states.shape[1], device=states.device)
    return torch.where((position < ends.to(states.device)[:, None])[..., None], empty, states)
