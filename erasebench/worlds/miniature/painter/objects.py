"""The ten object classes of the protocol, each named at a glance (units: about 40 wide, origin at the feet)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from erasebench.worlds.protocol import CLASSES, SYNONYMS

from .canvas import COLOURS, Colour, Frame, shade

__all__ = ["CLASSES", "NAMED_COLOURS", "NATURAL", "SYNONYMS", "draw_object"]

EYE: Colour = (24, 22, 26)
GLASS: Colour = (190, 224, 244)
TYRE: Colour = (40, 40, 46)


def airplane(f: Frame, c: Colour) -> None:
    """In flight, seen from the side, nose to the right."""
    f.polygon([(-19, -16), (-24, -28), (-18, -28), (-10, -16)], shade(c, 0.75))
    f.ellipse(0, -14, 23, 5, c)
    f.polygon([(-4, -14), (8, -14), (-8, 0), (-15, 0)], shade(c, 0.65))
    f.polygon([(-2, -17), (6, -17), (-4, -25), (-9, -25)], shade(c, 0.8))
    f.ellipse(17, -15.5, 3.4, 1.8, GLASS)
    for x in (-8, -2, 4, 10):
        f.ellipse(x, -15, 1.3, 1.3, GLASS)


def automobile(f: Frame, c: Colour) -> None:
    """A small car with a rounded cabin."""
    f.polygon([(-12, -11), (-7, -20), (7, -20), (13, -11)], c)
    f.polygon([(-9, -11.5), (-5.5, -18), (-0.8, -18), (-0.8, -11.5)], GLASS)
    f.polygon([(0.8, -11.5), (0.8, -18), (6, -18), (10, -11.5)], GLASS)
    f.ellipse(-17, -7.5, 5, 4.5, c)
    f.ellipse(17, -7.5, 5, 4.5, c)
    f.polygon([(-18, -12), (18, -12), (21, -8), (21, -3), (-21, -3), (-21, -8)], c)
    f.ellipse(20, -8, 1.6, 1.8, (255, 240, 170))
    for x in (-11, 11):
        f.ellipse(x, -3, 5, 5, TYRE)
        f.ellipse(x, -3, 2.2, 2.2, (190, 192, 198))


def bird(f: Frame, c: Colour) -> None:
    """Standing, with a beak, a folded wing and a tail."""
    f.line(-2, -6, -3, 0, (230, 150, 50), 1.3)
    f.line(3, -6, 3, 0, (230, 150, 50), 1.3)
    f.polygon([(-10, -14), (-23, -19), (-21, -11), (-9, -8)], shade(c, 0.7))
    f.ellipse(0, -12, 12, 8, c, -12)
    f.ellipse(11, -20, 6.2, 6, c)
    f.polygon([(16, -22), (24, -19), (16, -17)], (242, 160, 40))
    f.ellipse(-2, -13, 8, 4.4, shade(c, 0.7), 14)
    f.ellipse(3, -8, 6, 3.4, shade(c, 1.5))
    f.ellipse(13, -21, 1.4, 1.4, EYE)


def cat(f: Frame, c: Colour) -> None:
    """Sitting, face to the viewer: pointed ears, whiskers, a curled tail."""
    f.curve([(10, -4), (17, -5), (20, -11), (17, -17)], shade(c, 0.8), 3.6)
    f.ellipse(0, -8, 11, 10, c)
    f.ellipse(0, -6, 5.5, 6.5, shade(c, 1.4))
    f.polygon([(-10, -24), (-10.5, -37), (-2, -30)], c)
    f.polygon([(10, -24), (10.5, -37), (2, -30)], c)
    f.polygon([(-8.6, -27), (-8.9, -33.5), (-4.4, -29.5)], (240, 170, 176))
    f.polygon([(8.6, -27), (8.9, -33.5), (4.4, -29.5)], (240, 170, 176))
    f.ellipse(0, -23.5, 11.5, 9.5, c)
    for side in (-1, 1):
        f.ellipse(side * 4.6, -25, 2.5, 2.7, (150, 206, 90))
        f.ellipse(side * 4.6, -25, 0.9, 2.4, EYE)
        f.line(side * 4, -20, side * 15, -22, (250, 250, 250), 0.7)
        f.line(side * 4, -19, side * 15, -17.5, (250, 250, 250), 0.7)
        f.ellipse(side * 4, -0.8, 3.6, 2.2, shade(c, 0.85))
    f.polygon([(-1.6, -21.6), (1.6, -21.6), (0, -19.6)], (232, 110, 120))


def deer(f: Frame, c: Colour) -> None:
    """Standing, long-necked, with antlers and a spotted coat."""
    for x in (-10, -6, 7, 11):
        f.line(x, -10, x, 0, shade(c, 0.72), 2.2)
    f.ellipse(0, -13, 14, 6.5, c)
    f.polygon([(6, -14), (13, -12), (17, -26), (12, -28)], c)
    f.ellipse(17, -28, 6, 3.8, c, 22)
    f.ellipse(9.5, -30.5, 3.2, 1.5, shade(c, 0.8), 24)
    for antler, y, lean in ((12.5, -31, -4), (15.5, -31.5, 4)):
        f.curve([(antler, y), (antler + lean, y - 6), (antler + lean * 0.6, y - 12)], (92, 62, 36), 1.4)
        f.line(antler + lean, y - 6, antler + lean * 2, y - 9, (92, 62, 36), 1.4)
    for spot_x, spot_y in ((-8, -15), (-3, -16), (2, -14.5), (-5, -12), (-10, -11.5)):
        f.ellipse(spot_x, spot_y, 1.3, 1.3, shade(c, 1.75))
    f.ellipse(-14, -15, 2.4, 2, (246, 240, 230))
    f.ellipse(17.5, -29, 1.2, 1.2, EYE)
    f.ellipse(22, -26.3, 1.5, 1.3, EYE)


def dog(f: Frame, c: Colour) -> None:
    """Sitting, face to the viewer: hanging ears, a pale muzzle, the tongue out, a collar."""
    f.line(10, -5, 18, -13, shade(c, 0.85), 3.2)
    f.ellipse(0, -8, 10.5, 10, c)
    f.ellipse(0, -6, 5, 6.5, (246, 238, 224))
    f.ellipse(0, -23, 10.5, 10, c)
    f.ellipse(-11, -21, 4, 9, shade(c, 0.6), 10)
    f.ellipse(11, -21, 4, 9, shade(c, 0.6), -10)
    f.ellipse(0, -18.5, 6, 5, (246, 238, 224))
    f.polygon([(-2, -16), (2, -16), (1.6, -10.5), (-1.6, -10.5)], (232, 96, 110))
    f.ellipse(0, -21, 2.7, 2, EYE)
    f.line(-7, -13.4, 7, -13.4, (214, 48, 49), 1.8)
    for side in (-1, 1):
        f.ellipse(side * 4.2, -26, 1.7, 1.9, EYE)
        f.ellipse(side * 4, -0.8, 3.8, 2.4, shade(c, 0.85))


def frog(f: Frame, c: Colour) -> None:
    """Squatting, with bulging eyes, a broad mouth and folded legs."""
    f.ellipse(-14, -6, 6, 7.5, shade(c, 0.78), -24)
    f.ellipse(14, -6, 6, 7.5, shade(c, 0.78), 24)
    f.ellipse(0, -10, 14, 10, c)
    f.ellipse(0, -6.5, 9, 6, shade(c, 1.6))
    for side in (-1, 1):
        f.ellipse(side * 7.5, -20, 5, 5, c)
        f.ellipse(side * 7.5, -20.5, 3.3, 3.3, (252, 250, 220))
        f.ellipse(side * 7.5, -20.5, 1.7, 1.9, EYE)
        f.ellipse(side * 16, -0.8, 6.5, 1.8, shade(c, 0.7))
        f.ellipse(side * 6, -0.8, 3.4, 1.6, shade(c, 0.7))
    f.curve([(-9, -12.5), (-4.5, -10.4), (0, -9.8), (4.5, -10.4), (9, -12.5)], shade(c, 0.4), 1.2)


def horse(f: Frame, c: Colour) -> None:
    """Standing, with a mane, a long tail and hooves."""
    dark = shade(c, 0.45)
    for x in (-11, -6.5, 6.5, 11):
        f.line(x, -12, x, -1, shade(c, 0.85), 3)
        f.line(x, -1.4, x, 0, dark, 3.2)
    f.polygon([(-14, -20), (-21, -15), (-22, -4), (-18, -6), (-15, -14)], dark)
    f.ellipse(0, -17, 15.5, 7.5, c)
    f.polygon([(5, -20), (13, -15), (20, -31), (13, -36)], c)
    f.ellipse(19.5, -32, 8, 4, c, 38)
    f.polygon([(4, -21), (11, -36), (14, -38), (12.5, -28), (9, -20)], dark)
    f.polygon([(13, -35), (13.5, -41), (17, -36)], c)
    f.ellipse(18.3, -33.5, 1.3, 1.3, EYE)
    f.ellipse(24.3, -28.3, 1, 0.9, dark)


def ship(f: Frame, c: Colour) -> None:
    """A hull with a cabin, funnel and portholes."""
    f.polygon([(-13, -9), (-13, -17), (9, -17), (9, -9)], (240, 240, 236))
    f.polygon([(-7, -17), (-7, -22), (4, -22), (4, -17)], (240, 240, 236))
    f.polygon([(-5, -22), (-5, -31), (1, -31), (1, -22)], shade(c, 0.8))
    f.polygon([(-5, -28), (-5, -31), (1, -31), (1, -28)], EYE)
    f.polygon([(-24, -10), (25, -10), (18, 1), (-18, 1)], c)
    f.polygon([(-20.5, -4), (21.2, -4), (18, 1), (-18, 1)], shade(c, 0.6))
    for x in (-12, -4, 4, 12):
        f.ellipse(x, -7, 1.5, 1.5, GLASS)
    for x in (-9, -3, 3):
        f.polygon([(x - 1.6, -12), (x - 1.6, -15), (x + 1.6, -15), (x + 1.6, -12)], GLASS)


def truck(f: Frame, c: Colour) -> None:
    """A box lorry: pale cargo box behind, coloured cab in front."""
    f.polygon([(-24, -5), (-24, -27), (7, -27), (7, -5)], (228, 228, 224))
    f.polygon([(-24, -15), (-24, -18.5), (7, -18.5), (7, -15)], c)
    f.polygon([(8, -4), (8, -21), (16, -21), (22, -13), (22, -4)], c)
    f.polygon([(11, -12.5), (11, -18.5), (15.2, -18.5), (19, -12.5)], GLASS)
    f.polygon([(-24, -3), (-24, -6), (22, -6), (22, -3)], (70, 72, 80))
    f.ellipse(21.6, -8, 1.3, 1.6, (255, 240, 170))
    for x in (-17, -7, 15):
        f.ellipse(x, -3, 4.5, 4.5, TYRE)
        f.ellipse(x, -3, 1.9, 1.9, (190, 192, 198))


DRAW: dict[str, Callable[[Frame, Colour], None]] = {
    "airplane": airplane,
    "automobile": automobile,
    "bird": bird,
    "cat": cat,
    "deer": deer,
    "dog": dog,
    "frog": frog,
    "horse": horse,
    "ship": ship,
    "truck": truck,
}
#: The colours a class may have when its caption names one, and those it has when the caption does not.
NAMED_COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "white", "black", "brown", "grey")
NATURAL: dict[str, tuple[str, ...]] = {
    "airplane": ("white", "grey", "blue", "red"),
    "automobile": ("red", "blue", "yellow", "green", "black"),
    "bird": ("blue", "red", "yellow", "brown"),
    "cat": ("orange", "grey", "black", "white"),
    "deer": ("brown", "orange"),
    "dog": ("brown", "white", "orange", "grey"),
    "frog": ("green", "yellow"),
    "horse": ("brown", "black", "white", "grey"),
    "ship": ("red", "blue", "black"),
    "truck": ("red", "blue", "green", "orange"),
}


def draw_object(f: Frame, name: str, colour: str, rng: np.random.Generator) -> None:
    """Draw one object of class `name` in the named colour (slightly varied)."""
    f.canvas.part(name)
    base = COLOURS[colour] if colour != "brown" or name not in ("deer", "dog", "horse") else (164, 108, 62)
    DRAW[name](f, shade(base, rng.uniform(0.92, 1.1)))
    f.canvas.part("")
