"""Somebody else's erased model, measured like any method: a folder, a file of changed tensors, or a LoRA."""

from .method import Checkpoint, CheckpointConfig

__all__ = ["Checkpoint", "CheckpointConfig"]
