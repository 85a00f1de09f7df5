"""A supersampled canvas that draws colour and exact masks with the same strokes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = 64
SCALE = 4

Colour = tuple[int, int, int]
Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]

COLOURS: dict[str, Colour] = {
    "red": (214, 48, 49),
    "orange": (240, 140, 40),
    "yellow": (246, 211, 62),
    "green": (60, 158, 78),
    "blue": (52, 110, 210),
    "purple": (134, 72, 178),
    "pink": (240, 150, 186),
    "white": (242, 242, 240),
    "black": (38, 38, 44),
    "brown": (126, 84, 48),
    "grey": (138, 142, 150),
}


def shade(colour: Colour, factor: float) -> Colour:
    """The colour made darker (factor < 1) or mixed towards white (factor > 1)."""
    if factor <= 1:
        r, g, b = (c * factor for c in colour)
    else:
        r, g, b = (c + (255 - c) * (factor - 1) for c in colour)
    return int(r), int(g), int(b)


class Canvas:
    """Drawing in units of the final 64 x 64 picture, rendered at 4 times the size and reduced by area.

    Every shape is also drawn into a label map under the current `part`, so that masks are exact and respect occlusion.
    """

    def __init__(self, background: Colour = (255, 255, 255)) -> None:
        self.pixels: Image = np.full((SIZE * SCALE, SIZE * SCALE, 3), background, np.uint8)
        self._labels: NDArray[np.uint8] = np.zeros((SIZE * SCALE, SIZE * SCALE), np.uint8)
        self._parts: list[str] = [""]
        self._part = 0

    def part(self, name: str) -> None:
        """Everything drawn from now on belongs to `name` ('' for the background)."""
        if name not in self._parts:
            self._parts.append(name)
        self._part = self._parts.index(name)

    def forget_parts(self) -> None:
        """What was drawn so far becomes background for the masks (a companion, a prop)."""
        self._labels[:] = 0

    def _paint(self, draw: str, *args: object, colour: Colour, thickness: int) -> None:
        function = getattr(cv2, draw)
        function(self.pixels, *args, colour, thickness, cv2.LINE_AA)
        function(self._labels, *args, self._part, thickness)

    def ellipse(
        self,
        x: float,
        y: float,
        rx: float,
        ry: float,
        colour: Colour,
        *,
        angle: float = 0,
    ) -> None:
        """A filled ellipse, turned by `angle` degrees clockwise."""
        axes = (max(1, round(rx * SCALE)), max(1, round(ry * SCALE)))
        self._paint("ellipse", _point(x, y), axes, angle, 0, 360, colour=colour, thickness=-1)

    def ring(
        self,
        x: float,
        y: float,
        rx: float,
        ry: float,
        colour: Colour,
        width: float,
    ) -> None:
        """The outline of an ellipse, `width` units thick."""
        axes = (max(1, round(rx * SCALE)), max(1, round(ry * SCALE)))
        self._paint("ellipse", _point(x, y), axes, 0, 0, 360, colour=colour, thickness=max(1, round(width * SCALE)))

    def polygon(self, points: Sequence[tuple[float, float]], colour: Colour) -> None:
        """A filled polygon."""
        array = np.array([_point(x, y) for x, y in points], np.int32)
        cv2.fillPoly(self.pixels, [array], colour, cv2.LINE_AA)
        cv2.fillPoly(self._labels, [array], self._part)

    def rectangle(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        """A filled axis-parallel rectangle."""
        self._paint("rectangle", _point(x0, y0), _point(x1, y1), colour=colour, thickness=-1)

    def line(self, x0: float, y0: float, x1: float, y1: float, colour: Colour, width: float) -> None:
        """A straight stroke with round ends."""
        self._paint("line", _point(x0, y0), _point(x1, y1), colour=colour, thickness=max(1, round(width * SCALE)))

    def gradient(self, top: Colour, bottom: Colour) -> None:
        """Fill everything with a vertical gradient."""
        t = np.linspace(0, 1, SIZE * SCALE, dtype=np.float32)[:, None]
        column = (1 - t) * np.asarray(top, np.float32) + t * np.asarray(bottom, np.float32)
        self.pixels[:] = column[:, None, :].astype(np.uint8)

    def image(self) -> Image:
        """The picture, [64, 64, 3] RGB."""
        return cv2.resize(self.pixels, (SIZE, SIZE), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]

    def masks(self) -> dict[str, Mask]:
        """One exact mask per part that was drawn, [64, 64]; 'face' counts as 'person' too."""
        found = {}
        for index, name in enumerate(self._parts):
            if name:
                layer = (self._labels == index).astype(np.float32)
                found[name] = cv2.resize(layer, (SIZE, SIZE), interpolation=cv2.INTER_AREA) > 0.5
        if "face" in found:
            found["person"] = found["face"] | found.get("person", np.zeros_like(found["face"]))
        return found


class Frame:
    """A local frame on a canvas: origin, scale, mirrored or not; shapes are given in local units."""

    def __init__(self, canvas: Canvas, x: float, y: float, scale: float = 1.0, flip: bool = False) -> None:
        self.canvas, self.x, self.y, self.scale, self.sign = canvas, x, y, scale, -1.0 if flip else 1.0

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Canvas coordinates of a local point."""
        return self.x + self.sign * x * self.scale, self.y + y * self.scale

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: Colour, angle: float = 0) -> None:
        """A filled ellipse in local units."""
        px, py = self.at(x, y)
        self.canvas.ellipse(px, py, rx * self.scale, ry * self.scale, colour, angle=self.sign * angle)

    def polygon(self, points: Sequence[tuple[float, float]], colour: Colour) -> None:
        """A filled polygon in local units."""
        self.canvas.polygon([self.at(x, y) for x, y in points], colour)

    def line(self, x0: float, y0: float, x1: float, y1: float, colour: Colour, width: float) -> None:
        """A stroke in local units."""
        self.canvas.line(*self.at(x0, y0), *self.at(x1, y1), colour, width * self.scale)

    def curve(self, points: Sequence[tuple[float, float]], colour: Colour, width: float) -> None:
        """A polyline in local units."""
        for (x0, y0), (x1, y1) in pairwise(points):
            self.line(x0, y0, x1, y1, colour, width)


def star(x: float, y: float, radius: float, points: int, inner: float = 0.45) -> list[tuple[float, float]]:
    """The corners of a star polygon."""
    corners = []
    for i in range(2 * points):
        r = radius if i % 2 == 0 else radius * inner
        a = math.pi * i / points - math.pi / 2
        corners.append((x + r * math.cos(a), y + r * math.sin(a)))
    return corners


def _point(x: float, y: float) -> tuple[int, int]:
    return round(x * SCALE), round(y * SCALE)
