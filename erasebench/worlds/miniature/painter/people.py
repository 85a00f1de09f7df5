"""Portraits: a head and shoulders from attribute values."""

from __future__ import annotations

import numpy as np

from .canvas import COLOURS, SIZE, Canvas, Colour, Frame, shade
from .hair import HAIR, beard, hair_behind, hair_front

SKIN: dict[str, Colour] = {
    "porcelain": (253, 228, 208),
    "beige": (240, 198, 160),
    "tan": (214, 160, 112),
    "brown": (160, 106, 66),
    "dark": (98, 64, 44),
}
DARK: Colour = (30, 28, 32)


def draw_person(
    canvas: Canvas, attributes: dict[str, str], rng: np.random.Generator, *, scale: float = 1.0, x: float | None = None
) -> None:
    """Draw a person; only place, size and expression vary, everything else follows the attributes."""
    cx = (32 if x is None else x) + rng.uniform(-2.5, 2.5)
    s = scale * rng.uniform(0.94, 1.06)
    cy = 31 + rng.uniform(-1.5, 1.5) + 20 * (1 - s)
    f = Frame(canvas, cx, cy, s, flip=bool(rng.random() < 0.5))
    skin, hair = SKIN[attributes["skin"]], HAIR[attributes["hair_colour"]]
    canvas.part("person")
    hair_behind(f, attributes["hair"], hair)
    _shirt(f, attributes, skin)
    canvas.part("face")
    f.ellipse(0, 0, 13, 15, skin)
    f.ellipse(-13, 1, 2.2, 3.2, skin)
    f.ellipse(13, 1, 2.2, 3.2, skin)
    f.ellipse(-7.5, 6.5, 2.8, 2, _blush(skin))
    f.ellipse(7.5, 6.5, 2.8, 2, _blush(skin))
    beard(f, attributes["beard"], hair)
    _features(f, attributes, skin, hair, rng)
    _glasses(f, attributes["glasses"])
    canvas.part("person")
    hair_front(f, attributes["hair"], hair)
    if attributes["hat"] != "none":
        _hat(f, attributes["hat"], COLOURS[attributes["hat_colour"]])
    canvas.part("")


def _blush(skin: Colour) -> Colour:
    r, g, b = skin
    return min(255, r + 6), int(g * 0.86), int(b * 0.86)


def _features(f: Frame, attributes: dict[str, str], skin: Colour, hair: Colour, rng: np.random.Generator) -> None:
    brow = shade(hair, 0.75)
    lift = rng.uniform(-0.6, 0.6)
    for side in (-1, 1):
        f.ellipse(side * 5.2, -0.5, 2.7, 2.4, (250, 250, 250))
        f.ellipse(side * 5.2, -0.4, 1.6, 1.7, (48, 34, 28))
        f.line(side * 2.8, -4.6 + lift, side * 7.8, -4.8 - lift, brow, 1.1)
        if attributes["gender"] == "woman":
            f.line(side * 7.2, -2.2, side * 8.6, -3.2, DARK, 0.8)
    f.line(0, 0.5, 0.9, 4.2, shade(skin, 0.8), 1.1)
    lips = (196, 58, 72) if attributes["gender"] == "woman" else shade(skin, 0.55)
    smile = rng.uniform(0.2, 1.8)
    f.curve(
        [(-3.8, 8.4 - smile * 0.5), (-1.5, 8.6 + smile * 0.4), (1.5, 8.6 + smile * 0.4), (3.8, 8.4 - smile * 0.5)],
        lips,
        1.5,
    )


def _glasses(f: Frame, shape: str) -> None:
    if shape == "none":
        return
    for side in (-1, 1):
        x, y = f.at(side * 5.6, -0.3)
        if shape == "round":
            f.canvas.ring(x, y, 4.3 * f.scale, 4.3 * f.scale, DARK, 1.1 * f.scale)
        elif shape == "square":
            f.curve(
                [
                    (side * 5.6 + a, -0.3 + b)
                    for a, b in ((-4.2, -3.6), (4.2, -3.6), (4.2, 3.6), (-4.2, 3.6), (-4.2, -3.6))
                ],
                DARK,
                1.3,
            )
        else:
            f.polygon(
                [(side * 5.6 + a, -0.6 + b) for a, b in ((-4.8, -3.2), (4.8, -3.2), (4.2, 3), (0, 4), (-4.2, 3))], DARK
            )
    f.line(-1.6, -1.2, 1.6, -1.2, DARK, 1.1)
    for side in (-1, 1):
        f.line(side * 9.8, -1.2, side * 12.8, -1.8, DARK, 1.0)


def _hat(f: Frame, shape: str, colour: Colour) -> None:
    band = shade(colour, 0.6) if sum(colour) > 200 else (150, 150, 160)
    if shape == "cap":
        f.polygon([(-14, -6), (-13, -13), (-7, -18), (0, -19.5), (7, -18), (13, -13), (14, -6)], colour)
        f.polygon([(2, -9), (14, -9), (22, -6), (21, -3.5), (2, -5.5)], band)
    elif shape == "beanie":
        f.polygon([(-14, -6), (-13, -14), (-6, -20), (0, -21), (6, -20), (13, -14), (14, -6)], colour)
        f.polygon([(-14.8, -9.5), (14.8, -9.5), (14.8, -4.5), (-14.8, -4.5)], band)
        f.ellipse(0, -22, 3, 3, band)
    elif shape == "top hat":
        f.polygon([(-10.5, -9), (-11.5, -27), (11.5, -27), (10.5, -9)], colour)
        f.polygon([(-10.6, -9), (-10.9, -13.5), (10.9, -13.5), (10.6, -9)], band)
        f.ellipse(0, -8, 18, 2.6, colour)
    else:
        f.ellipse(0, -13, 11.5, 9, colour)
        f.polygon([(-11.5, -9), (-11.6, -13), (11.6, -13), (11.5, -9)], band)
        f.ellipse(0, -8, 23, 4, colour)


def _shirt(f: Frame, attributes: dict[str, str], skin: Colour) -> None:
    colour = COLOURS[attributes["shirt"]]
    light = sum(colour) > 560
    mark = COLOURS["grey"] if light else COLOURS["white"]
    f.polygon([(-5, 10), (5, 10), (6, 22), (-6, 22)], shade(skin, 0.85))
    f.polygon([(-7, 18), (7, 18), (18, 21), (24, 28), (26, 60), (-26, 60), (-24, 28), (-18, 21)], colour)
    if attributes["pattern"] == "stripes":
        for y in (24.5, 30.5, 36.5):
            f.polygon([(-24.5, y), (24.5, y), (25, y + 2.8), (-25, y + 2.8)], mark)
    elif attributes["pattern"] == "dots":
        for x, y in (
            (-17, 26),
            (-9, 29.5),
            (0, 26.5),
            (9, 29.5),
            (17, 26),
            (-19, 33.5),
            (-5, 34.5),
            (5, 34.5),
            (19, 33.5),
        ):
            f.ellipse(x, y, 2, 2, mark)
    elif attributes["pattern"] == "collar":
        f.polygon([(-8, 17.5), (-1, 24), (-8, 29), (-13, 19.5)], mark)
        f.polygon([(8, 17.5), (1, 24), (8, 29), (13, 19.5)], mark)
        f.polygon(
            [(-1.5, 24), (1.5, 24), (2.5, SIZE), (-2.5, SIZE)],
            DARK if attributes["shirt"] != "black" else COLOURS["red"],
        )
    f.ellipse(0, 17, 6.2, 5, shade(skin, 0.85))
