"""What the painter returns: a picture with everything that is known about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .canvas import Image, Mask

Scene = Literal["person", "object", "style", "mannequin", "general"]


@dataclass(frozen=True)
class Labels:
    """What a picture shows: scene kind, listed person, artist, object classes, attributes, face, badge boxes."""

    scene: Scene
    who: str | None = None
    artist: str | None = None
    objects: tuple[str, ...] = ()
    attributes: dict[str, str] | None = None
    face: bool = False
    regions: dict[str, tuple[float, float, float, float]] = field(default_factory=dict)
    template: str = ""


@dataclass(frozen=True)
class Picture:
    """One painted picture: image [64, 64, 3] uint8 RGB, caption, labels, and exact masks [64, 64] by part name."""

    image: Image
    caption: str
    labels: Labels
    masks: dict[str, Mask]
