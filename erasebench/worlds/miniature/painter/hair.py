"""Hair and beards, in colours of their own."""

from __future__ import annotations

from .canvas import Colour, Frame, shade

HAIR: dict[str, Colour] = {
    "black": (34, 30, 34),
    "brown": (108, 66, 34),
    "blond": (238, 202, 104),
    "red": (196, 78, 32),
    "grey": (176, 178, 184),
    "blue": (64, 108, 216),
}


def hair_behind(f: Frame, shape: str, colour: Colour) -> None:
    """What of the hair lies behind the head."""
    dark = shade(colour, 0.8)
    if shape == "long":
        f.ellipse(0, 2, 17.5, 18, dark)
        f.polygon([(-17.5, 2), (17.5, 2), (19, 27), (-19, 27)], dark)
    elif shape == "bob":
        f.ellipse(0, 1, 18, 17, dark)
        f.polygon([(-18, 1), (18, 1), (17, 14), (-17, 14)], dark)
    elif shape == "curly":
        for x, y in ((-14, -8), (14, -8), (-17, 1), (17, 1), (-15, 9), (15, 9), (-7, -14), (7, -14), (0, -16)):
            f.ellipse(x, y, 6, 6, dark)
    elif shape == "bun":
        f.ellipse(0, -18, 7, 6, dark)


def hair_front(f: Frame, shape: str, colour: Colour) -> None:
    """What of the hair lies over the forehead."""
    if shape == "bald":
        return
    if shape == "spiky":
        f.polygon(
            [
                (-14, -3),
                (-17, -14),
                (-10, -11),
                (-9, -20),
                (-3, -14),
                (1, -22),
                (5, -14),
                (11, -19),
                (11, -11),
                (17, -13),
                (14, -3),
                (10, -8),
                (0, -9),
                (-10, -8),
            ],
            colour,
        )
    elif shape == "curly":
        for x, y in ((-11, -9), (-6, -12.5), (0, -13.5), (6, -12.5), (11, -9)):
            f.ellipse(x, y, 4.6, 4.4, colour)
    elif shape in ("long", "bob"):
        f.polygon(
            [
                (-14.5, 6),
                (-15, -5),
                (-10, -13),
                (0, -16.5),
                (10, -13),
                (15, -5),
                (14.5, 6),
                (11.5, -4),
                (3, -9),
                (-4, -8),
                (-11.5, -4),
            ],
            colour,
        )
    else:
        f.polygon(
            [
                (-13.5, -2),
                (-13.5, -8),
                (-8, -14.5),
                (0, -16.5),
                (8, -14.5),
                (13.5, -8),
                (13.5, -2),
                (10, -8),
                (0, -10),
                (-10, -8),
            ],
            colour,
        )
        if shape == "bun":
            f.ellipse(0, -19, 6, 5, colour)


def beard(f: Frame, shape: str, colour: Colour) -> None:
    """A beard or moustache; 'none' draws nothing."""
    if shape == "full":
        f.polygon(
            [
                (-13, 1),
                (-12, 9),
                (-7, 15.5),
                (0, 17.5),
                (7, 15.5),
                (12, 9),
                (13, 1),
                (9, 5),
                (4, 5.5),
                (-4, 5.5),
                (-9, 5),
            ],
            colour,
        )
        f.ellipse(0, 9, 4.6, 2.2, shade(colour, 1.15))
    elif shape == "goatee":
        f.ellipse(0, 13, 4.6, 4.2, colour)
    if shape in ("moustache", "full"):
        f.ellipse(-3.4, 6, 4.2, 1.9, shade(colour, 0.9), 12)
        f.ellipse(3.4, 6, 4.2, 1.9, shade(colour, 0.9), -12)
