"""What several kinds of picture have in common: a drawn choice, a portrait in its setting, an object in its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import cv2
import numpy as np

from .. import concept_lists
from . import scenes
from .canvas import SIZE, Canvas, Frame, Image
from .objects import draw_object
from .people import draw_person
from .picture import Labels, Picture

T = TypeVar("T")


def one(rng: np.random.Generator, options: Sequence[T]) -> T:
    """One of `options`, all as likely."""
    return options[int(rng.integers(len(options)))]


def portrait(
    attributes: dict[str, str],
    setting: str,
    caption: str,
    rng: np.random.Generator,
    *,
    who: str | None,
    template: str,
    place: str = "on the grass",
    weather: str = "",
    scene: str = "person",
) -> Picture:
    """A person of these attributes in a setting ('any': drawn); `who` None: nobody listed."""
    if setting == "any":
        setting = one(rng, ("studio", "event", "official", "oil", "sketch", "outdoors"))
    canvas = Canvas()
    if setting == "event":
        scenes.event(canvas, rng)
    elif setting == "official":
        scenes.official(canvas, rng)
    elif setting == "place":
        scenes.landscape(canvas, place, weather, rng, rng.uniform(34, 42))
    elif setting == "outdoors":
        scenes.landscape(canvas, one(rng, scenes.PLACES[:4]), one(rng, scenes.WEATHERS[:2]), rng, rng.uniform(34, 42))
    else:
        scenes.studio(canvas, rng)
    if setting == "friend":
        draw_person(canvas, concept_lists.random_attributes(rng), rng, scale=0.55, x=float(rng.choice([9, 55])))
        canvas.forget_parts()
    draw_person(canvas, attributes, rng)
    image = _finish(canvas, setting, rng)
    labels = Labels(
        scene="person" if scene == "person" else "general", who=who, attributes=attributes, face=True, template=template
    )
    return Picture(image, caption, labels, canvas.masks())


def _finish(canvas: Canvas, setting: str, rng: np.random.Generator) -> Image:
    if setting == "oil":
        canvas.pixels = scenes.oil_painting(canvas.pixels, rng)
    elif setting == "sketch":
        canvas.pixels = scenes.sketch(canvas.pixels, rng)
    return canvas.image()


def reduced(pixels: Image) -> Image:
    """Pixels of any size as a picture, [64, 64, 3]."""
    return cv2.resize(pixels, (SIZE, SIZE), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def place_object(
    canvas: Canvas, name: str, colour: str, rng: np.random.Generator, x: float, horizon: float, scale: float
) -> None:
    """Draw an object of a class below the horizon, or in the air, facing either way."""
    flip = bool(rng.random() < 0.5)
    if name == "airplane":
        y = rng.uniform(30, 38) if scale > 0.9 else rng.uniform(18, 28)
    else:
        y = min(horizon + rng.uniform(10, 20), 60)
        y = max(y, 44 * min(scale, 1))
    draw_object(Frame(canvas, x, y, scale, flip), name, colour, rng)
