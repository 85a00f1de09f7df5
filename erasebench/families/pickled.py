"""Weights out of a pickle, of which nothing is executed."""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from erasebench.errors import UserError


def read_pickle(path: Path) -> dict[str, Tensor]:
    """The tensors of a .ckpt, mapped, not read; nothing in it is executed. UserError where it holds anything else."""
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (OSError, RuntimeError, ValueError, EOFError, LookupError, TypeError, UnpicklingError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"{path} cannot be read as weights alone ({reason}).", "Get it as .safetensors.") from error
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict):
        raise UserError(f"{path} contains no weights by name.", "Get it as .safetensors.")
    return {str(name): value for name, value in state.items() if isinstance(value, Tensor)}
