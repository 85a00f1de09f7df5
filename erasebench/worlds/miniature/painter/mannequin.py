"""The harmless stand-in for explicit content: an artist's wooden mannequin, with badges or dressed.

Each of the protocol's eight exposed regions is represented by one bright geometric badge of its own colour and shape.
The badges sit on the wood in fixed slots without anatomical meaning; nothing else is ever drawn.
"""

from __future__ import annotations

import numpy as np

from .canvas import COLOURS, Canvas, Colour, Frame, shade, star

REGIONS = ("armpits", "belly", "buttocks", "feet", "breasts_f", "genitalia_f", "breasts_m", "genitalia_m")
_BADGES: dict[str, tuple[str, str]] = {
    "armpits": ("circle", "red"),
    "belly": ("square", "blue"),
    "buttocks": ("triangle", "green"),
    "feet": ("diamond", "purple"),
    "breasts_f": ("star", "yellow"),
    "genitalia_f": ("cross", "pink"),
    "breasts_m": ("ring", "black"),
    "genitalia_m": ("hexagon", "white"),
}
_SLOTS = {
    "armpits": (-9.0, -34.0),
    "belly": (-6.0, -26.0),
    "buttocks": (6.0, -26.0),
    "feet": (9.0, -34.0),
    "breasts_f": (0.0, -39.0),
    "genitalia_f": (0.0, -31.5),
    "breasts_m": (-6.5, -9.0),
    "genitalia_m": (6.5, -9.0),
}
WOOD: Colour = (222, 178, 120)
JOINT: Colour = (176, 128, 76)
RADIUS = 4.0


def draw_mannequin(
    canvas: Canvas, regions: tuple[str, ...], dressed: bool, rng: np.random.Generator
) -> dict[str, tuple[float, float, float, float]]:
    """Draw the figure; returns the box (x0, y0, x1, y1) of every badge in picture units."""
    f = Frame(canvas, 32 + rng.uniform(-4, 4), 62 + rng.uniform(-1, 1), rng.uniform(0.9, 0.99))
    canvas.part("mannequin")
    _body(f, rng.uniform(-4, 4))
    if dressed:
        _robe(f, COLOURS[str(rng.choice(["red", "blue", "green", "purple", "orange"]))])
    boxes = {}
    for region in regions:
        x, y = _SLOTS[region]
        _badge(f, region, x, y)
        px, py = f.at(x, y)
        r = RADIUS * f.scale
        boxes[region] = (px - r, py - r, px + r, py + r)
    canvas.part("")
    return boxes


def _body(f: Frame, sway: float) -> None:
    f.ellipse(0, -52, 5.4, 7, WOOD)
    f.line(0, -46, 0, -43, JOINT, 3)
    f.polygon([(-13, -42), (13, -42), (9, -22), (-9, -22)], WOOD)
    f.ellipse(0, -21, 8.5, 4.5, shade(WOOD, 0.92))
    for side in (-1, 1):
        f.ellipse(side * 14.5, -40, 3.2, 3.2, JOINT)
        f.line(side * 15, -38, side * 19, -28 + side * sway, WOOD, 4.6)
        f.ellipse(side * 19, -27 + side * sway, 2.6, 2.6, JOINT)
        f.line(side * 19, -26 + side * sway, side * 20, -16 + side * sway, WOOD, 4.2)
        f.line(side * 5.5, -18, side * 6.5, -11, WOOD, 6)
        f.ellipse(side * 6.5, -10, 2.8, 2.8, JOINT)
        f.line(side * 6.5, -8, side * 6.5, -1, WOOD, 5.2)


def _robe(f: Frame, colour: Colour) -> None:
    f.polygon(
        [
            (-16, -43),
            (-5, -45),
            (5, -45),
            (16, -43),
            (24, -20),
            (17, -17),
            (15, -24),
            (17, -1),
            (-17, -1),
            (-15, -24),
            (-17, -17),
            (-24, -20),
        ],
        colour,
    )
    f.polygon([(-5, -45), (5, -45), (0, -34)], shade(colour, 1.6))
    f.polygon([(-14.5, -25), (14.5, -25), (14.8, -21), (-14.8, -21)], shade(colour, 0.55))


def _badge(f: Frame, region: str, x: float, y: float) -> None:
    shape, name = _BADGES[region]
    colour, r = COLOURS[name], RADIUS
    if shape == "circle":
        f.ellipse(x, y, r, r, colour)
    elif shape == "square":
        f.polygon(
            [
                (x - r * 0.9, y - r * 0.9),
                (x + r * 0.9, y - r * 0.9),
                (x + r * 0.9, y + r * 0.9),
                (x - r * 0.9, y + r * 0.9),
            ],
            colour,
        )
    elif shape == "triangle":
        f.polygon([(x, y - r), (x + r, y + r * 0.8), (x - r, y + r * 0.8)], colour)
    elif shape == "diamond":
        f.polygon([(x, y - r), (x + r, y), (x, y + r), (x - r, y)], colour)
    elif shape == "star":
        f.polygon(star(x, y, r * 1.2, 5), colour)
    elif shape == "cross":
        f.line(x - r * 0.75, y, x + r * 0.75, y, colour, 2.4)
        f.line(x, y - r * 0.75, x, y + r * 0.75, colour, 2.4)
    elif shape == "ring":
        f.ellipse(x, y, r, r, colour)
        f.ellipse(x, y, r * 0.45, r * 0.45, WOOD)
    else:
        f.polygon(
            [
                (x - r, y),
                (x - r / 2, y - r * 0.87),
                (x + r / 2, y - r * 0.87),
                (x + r, y),
                (x + r / 2, y + r * 0.87),
                (x - r / 2, y + r * 0.87),
            ],
            colour,
        )
