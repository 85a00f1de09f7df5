"""MACE (CVPR 2024), the reference implementation of this benchmark's protocol: see README.md beside this file."""

from .config import MaceConfig
from .method import Mace

__all__ = ["Mace", "MaceConfig"]
