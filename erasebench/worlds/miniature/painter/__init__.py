"""The painter of the miniature world: deterministic pictures with caption, labels and exact masks."""

from __future__ import annotations

from .compose import paint_any, paint_mannequin, paint_object, paint_person, paint_style
from .everyday import paint_general
from .picture import Labels, Picture

__all__ = [
    "Labels",
    "Picture",
    "paint_any",
    "paint_general",
    "paint_mannequin",
    "paint_object",
    "paint_person",
    "paint_style",
]
