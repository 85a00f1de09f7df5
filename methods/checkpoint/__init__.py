"""Somebody else's erased model, measured like any method: a folder, a file of changed tensors, or a LoRA."""

from .config import CheckpointConfig
from .method import Checkpoint

__all__ = ["Checkpoint", "CheckpointConfig"]
