"""Where everything random about an erasure comes from: streams of its seed, one for each purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from erasebench.api.method import Workspace
from erasebench.identity import digest

if TYPE_CHECKING:
    import torch


def stream_seed(workspace: Workspace, *purpose: str | int) -> int:
    """A seed below 2^31 that depends on the erasure's seed and `purpose` alone."""
    return int(digest([workspace.seed, *purpose])[:8], 16) >> 1


def generator_of(workspace: Workspace, purpose: str, number: int = 0) -> torch.Generator:
    """A generator on the CPU that depends on the erasure's seed, `purpose` and `number` alone."""
    import torch

    seed = int(digest([workspace.seed, purpose, number])[:15], 16)
    return torch.Generator("cpu").manual_seed(seed)
