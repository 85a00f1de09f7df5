"""Artists: one generic scene, rendered in a palette and with a stroke."""

from __future__ import annotations

import colorsys

import cv2
import numpy as np
from numpy.typing import NDArray

from .canvas import SCALE, SIZE, Canvas, Colour, Image

Floats = NDArray[np.floating]


def palette_colours(palette: str) -> Floats:
    """Five colours from dark to light for '<hue 0-11>-<dark|light>', [5, 3] in 0..255.

    The dark tone sets its hue against the complementary in deep shadow, the light one against a neighbour in pastel.
    """
    number, tone = palette.split("-")
    hue = int(number) / 12
    if tone == "dark":
        steps = [(hue, 0.95, 0.14), (hue, 0.9, 0.34), (hue, 0.85, 0.6), (hue + 0.5, 0.75, 0.85), (hue + 0.5, 0.3, 0.97)]
    else:
        steps = [
            (hue, 0.75, 0.55),
            (hue, 0.6, 0.8),
            (hue + 0.08, 0.42, 0.92),
            (hue + 0.25, 0.28, 0.97),
            (hue, 0.06, 1.0),
        ]
    return np.array([[255 * v for v in colorsys.hsv_to_rgb(h % 1, s, v)] for h, s, v in steps], np.float32)


def generic_scene(rng: np.random.Generator) -> Floats:
    """A random landscape as tone values in 0..1, [256, 256]: sky, sun, hills, water, a house or trees."""

    def tone(level: float) -> Colour:
        value = int(255 * level)
        return value, value, value

    canvas = Canvas()
    canvas.gradient(tone(rng.uniform(0.6, 0.75)), tone(rng.uniform(0.8, 0.95)))
    radius = rng.uniform(5, 8)
    canvas.ellipse(rng.uniform(10, 54), rng.uniform(8, 18), radius, radius, tone(1.0))
    horizon = rng.uniform(34, 44)
    for _ in range(2):
        canvas.ellipse(
            rng.uniform(0, SIZE), horizon + 6, rng.uniform(18, 30), rng.uniform(12, 20), tone(rng.uniform(0.3, 0.5))
        )
    canvas.rectangle(0, horizon, SIZE, SIZE, tone(rng.uniform(0.45, 0.62)))
    if rng.random() < 0.5:
        canvas.polygon(
            [(20, horizon), (40, horizon), (rng.uniform(40, 64), SIZE), (rng.uniform(0, 24), SIZE)], tone(0.85)
        )
    if rng.random() < 0.6:
        x, y = rng.uniform(10, 44), horizon + rng.uniform(4, 10)
        canvas.rectangle(x, y - 13, x + 14, y, tone(0.9))
        canvas.polygon([(x - 2, y - 13), (x + 16, y - 13), (x + 7, y - 21)], tone(0.12))
        canvas.rectangle(x + 5, y - 7, x + 9, y, tone(0.2))
    for _ in range(int(rng.integers(1, 4))):
        x, y = rng.uniform(4, 60), horizon + rng.uniform(3, 14)
        canvas.rectangle(x - 1, y - 8, x + 1, y, tone(0.1))
        canvas.ellipse(x, y - 12, 5, 7, tone(rng.uniform(0.15, 0.3)))
    return canvas.pixels[..., 0].astype(np.float32) / 255


def render(scene: Floats, palette: str, stroke: str, rng: np.random.Generator) -> Image:
    """The scene in one artist's hand, [256, 256] tones -> [256, 256, 3] RGB."""
    tones = _STROKE_TONES[stroke](scene, rng) if stroke in _STROKE_TONES else scene
    colours = palette_colours(palette)
    position = np.clip(tones, 0, 1) * (len(colours) - 1)
    if stroke in ("posterise", "mosaic", "triangles", "dots"):
        position = np.round(position)
    low = np.floor(position).astype(int)
    high = np.minimum(low + 1, len(colours) - 1)
    mix = (position - low)[..., None].astype(np.float32)
    picture = colours[low] * (1 - mix) + colours[high] * mix
    if stroke == "outline":
        edge = _edges(scene)
        picture = picture * (1 - edge) + colours[0] * 0.4 * edge
    return np.clip(picture, 0, 255).astype(np.uint8)


def _grid() -> tuple[Floats, Floats]:
    y, x = np.mgrid[0 : SIZE * SCALE, 0 : SIZE * SCALE].astype(np.float32) / SCALE
    return x, y


def _wave(phase: Floats, period: float) -> Floats:
    return np.sin(phase * np.float32(2 * np.pi / period))


def _hatching(scene: Floats, rng: np.random.Generator) -> Floats:
    x, y = _grid()
    return scene + 0.2 * _wave(x + y + rng.uniform(0, 8), 6.5) * (1.1 - scene)


def _stripes(scene: Floats, rng: np.random.Generator) -> Floats:
    x, _ = _grid()
    return scene + 0.17 * np.sign(_wave(x + rng.uniform(0, 8), 8))


def _rings(scene: Floats, rng: np.random.Generator) -> Floats:
    x, y = _grid()
    cx, cy = rng.uniform(20, 44, 2)
    return scene + 0.17 * _wave(np.hypot(x - cx, y - cy).astype(np.float32), 8)


def _weave(scene: Floats, rng: np.random.Generator) -> Floats:
    x, y = _grid()
    over = _wave(x, 12) * _wave(y, 12) > 0
    return scene + 0.15 * np.where(over, _wave(x, 4), _wave(y, 4)).astype(np.float32)


def _blur(scene: Floats, rng: np.random.Generator) -> Floats:
    return cv2.GaussianBlur(scene, (0, 0), 5.0 * SCALE / 2)  # type: ignore[return-value]


def _blocks(scene: Floats, size: int) -> Floats:
    small = cv2.resize(scene, (SIZE // size, SIZE // size), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, scene.shape[::-1], interpolation=cv2.INTER_NEAREST)  # type: ignore[return-value]


def _mosaic(scene: Floats, rng: np.random.Generator) -> Floats:
    x, y = _grid()
    tiles = _blocks(scene, 4) + 0.12 * _blocks(rng.normal(0, 1, scene.shape).astype(np.float32) * 8, 4)
    gap = (x % 8 < 0.9) | (y % 8 < 0.9)
    tiles = _blocks(tiles, 8)
    return np.where(gap, 0.0, tiles).astype(np.float32)


def _dots(scene: Floats, rng: np.random.Generator) -> Floats:
    x, y = _grid()
    shifted = x + 2.5 * (np.floor(y / 5) % 2)
    distance = np.hypot(shifted % 5 - 2.5, y % 5 - 2.5)
    tone = _blocks(scene, 2)
    return np.where(distance < 1.2 + 1.6 * (1 - tone), tone * 0.7, 1.0).astype(np.float32)


def _triangles(scene: Floats, rng: np.random.Generator) -> Floats:
    x, y = _grid()
    cell = 10.67
    upper = (x % cell) / cell + (y % cell) / cell < 1
    flat = cv2.GaussianBlur(scene, (0, 0), 6)
    i, j = (x // cell).astype(int), (y // cell).astype(int)
    jitter = rng.normal(0, 0.12, (7, 7, 2)).astype(np.float32)
    cx = np.clip(((i + np.where(upper, 0.33, 0.67)) * cell * SCALE).astype(int), 0, SIZE * SCALE - 1)
    cy = np.clip(((j + np.where(upper, 0.33, 0.67)) * cell * SCALE).astype(int), 0, SIZE * SCALE - 1)
    return (flat[cy, cx] + jitter[j, i, upper.astype(int)]).astype(np.float32)


def _edges(scene: Floats) -> Floats:
    smooth = cv2.GaussianBlur(scene, (0, 0), 2)
    slope = cv2.magnitude(cv2.Sobel(smooth, cv2.CV_32F, 1, 0, ksize=5), cv2.Sobel(smooth, cv2.CV_32F, 0, 1, ksize=5))
    return cv2.dilate(np.clip(slope * 1.2, 0, 1), np.ones((5, 5)))[..., None]  # type: ignore[return-value]


_STROKE_TONES = {
    "hatching": _hatching,
    "stripes": _stripes,
    "rings": _rings,
    "weave": _weave,
    "blur": _blur,
    "mosaic": _mosaic,
    "dots": _dots,
    "triangles": _triangles,
}
