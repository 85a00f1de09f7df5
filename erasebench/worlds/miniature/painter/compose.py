"""One function per kind of picture, and the mixture that the world's model is trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import cv2
import numpy as np

from .. import cast
from ..names import CLASSES, SYNONYMS
from . import captions, scenes, styles
from .canvas import SIZE, Canvas, Frame, Image
from .mannequin import REGIONS, draw_mannequin
from .objects import NAMED_COLOURS, NATURAL, draw_object
from .people import draw_person
from .picture import Labels, Picture

T = TypeVar("T")
#: Share of each kind of picture in the training mixture.
MIXTURE = {"person": 0.46, "style": 0.17, "object": 0.17, "mannequin": 0.06, "general": 0.14}


def _one(rng: np.random.Generator, options: Sequence[T]) -> T:
    return options[int(rng.integers(len(options)))]


def paint_person(who: str | None, template_index: int | None, rng: np.random.Generator) -> Picture:
    """A cast member (None: drawn at random) under an evaluation template (None: any template of the world)."""
    name = who or _one(rng, cast.people()).name
    place, weather = _one(rng, scenes.PLACES), _one(rng, scenes.WEATHERS)
    if template_index is not None:
        template, setting = captions.PERSON[template_index]
    else:
        draw = rng.random()
        if draw < 0.5:
            template, setting = _one(rng, captions.PERSON)
        elif draw < 0.88:
            template, setting = _one(rng, captions.PERSON_MORE)
        else:
            template, setting = _one(rng, captions.PERSON_PLACES), "place"
    if "{weather}" not in template:
        weather = "" if setting == "place" else weather
    caption = template.format(name, place=place, weather=weather)
    return _portrait(
        cast.person(name).attributes, setting, caption, rng, who=name, template=template, place=place, weather=weather
    )


def _portrait(
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
    if setting == "any":
        setting = _one(rng, ("studio", "event", "official", "oil", "sketch", "outdoors"))
    canvas = Canvas()
    if setting == "event":
        scenes.event(canvas, rng)
    elif setting == "official":
        scenes.official(canvas, rng)
    elif setting == "place":
        scenes.landscape(canvas, place, weather, rng, rng.uniform(34, 42))
    elif setting == "outdoors":
        scenes.landscape(canvas, _one(rng, scenes.PLACES[:4]), _one(rng, scenes.WEATHERS[:2]), rng, rng.uniform(34, 42))
    else:
        scenes.studio(canvas, rng)
    if setting == "friend":
        draw_person(canvas, cast.random_attributes(rng), rng, scale=0.55, x=float(rng.choice([9, 55])))
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


def paint_style(artist: str | None, rng: np.random.Generator, template_index: int | None = None) -> Picture:
    """A generic scene in an artist's hand (None: drawn at random) under a style template."""
    who = cast.artist(artist) if artist else _one(rng, cast.artists())
    if template_index is not None:
        template = captions.STYLE[template_index]
    else:
        template = _one(rng, captions.STYLE) if rng.random() < 0.6 else _one(rng, captions.STYLE_MORE)
    image = _reduce(styles.render(styles.generic_scene(rng), who.palette, who.stroke, rng))
    labels = Labels(scene="style", artist=who.name, template=template)
    return Picture(image, template.format(who.name), labels, {})


def _reduce(pixels: Image) -> Image:
    return cv2.resize(pixels, (SIZE, SIZE), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def paint_object(name: str | None, rng: np.random.Generator, template: str | None = None) -> Picture:
    """One object of a class (None: drawn at random), called by its class name or a synonym."""
    name = name or _one(rng, CLASSES)
    word = name if rng.random() < 0.62 else _one(rng, SYNONYMS[name])
    colour = ""
    if template is None:
        draw = rng.random()
        group = captions.OBJECT if draw < 0.5 else captions.OBJECT_COLOURED if draw < 0.75 else captions.OBJECT_PLACED
        template = captions.OBJECT[0] if draw < 0.2 else _one(rng, group)
    if "{colour}" in template:
        colour = _one(rng, NAMED_COLOURS)
    place = _place_for(name, rng)
    weather = _one(rng, scenes.WEATHERS) if "{weather}" in template else ""
    caption = captions.with_article(template.format(word, colour=colour, place=place, weather=weather))
    canvas = Canvas()
    horizon = rng.uniform(30, 42)
    shown = place if "{place}" in template or name == "ship" else _one(rng, scenes.PLACES[:4])
    scenes.landscape(
        canvas,
        shown,
        weather or ("" if "{place}" in template else _one(rng, ("", "", *scenes.WEATHERS[:2]))),
        rng,
        horizon,
    )
    scale = rng.uniform(0.95, 1.25)
    _place_object(canvas, name, colour or _one(rng, NATURAL[name]), rng, rng.uniform(27, 37), horizon, scale)
    masks = canvas.masks()
    return Picture(canvas.image(), caption, Labels(scene="object", objects=(name,), template=template), masks)


def _place_for(name: str, rng: np.random.Generator) -> str:
    return "on the water" if name == "ship" else _one(rng, scenes.PLACES)


def _place_object(
    canvas: Canvas, name: str, colour: str, rng: np.random.Generator, x: float, horizon: float, scale: float
) -> None:
    flip = bool(rng.random() < 0.5)
    if name == "airplane":
        y = rng.uniform(30, 38) if scale > 0.9 else rng.uniform(18, 28)
    else:
        y = min(horizon + rng.uniform(10, 20), 60)
        y = max(y, 44 * min(scale, 1))
    draw_object(Frame(canvas, x, y, scale, flip), name, colour, rng)


def paint_mannequin(dressed: bool | None, rng: np.random.Generator) -> Picture:
    """The stand-in: with two to five badges, or dressed and without any (None: drawn at random)."""
    dressed = bool(rng.random() < 0.4) if dressed is None else dressed
    canvas = Canvas()
    if rng.random() < 0.7:
        scenes.studio(canvas, rng)
    else:
        scenes.landscape(canvas, "in a room", "", rng, rng.uniform(46, 54))
    regions: tuple[str, ...] = ()
    if not dressed:
        chosen = rng.permutation(len(REGIONS))[: int(rng.integers(2, 6))]
        regions = tuple(REGIONS[i] for i in sorted(chosen))
    boxes = draw_mannequin(canvas, regions, dressed, rng)
    caption = _one(rng, captions.DRESSED if dressed else captions.BARE)
    if dressed and rng.random() < 0.25:
        caption = captions.DRESSED[0]
    elif not dressed and rng.random() < 0.3:
        caption = _one(rng, captions.BARE[:4])
    labels = Labels(scene="mannequin", regions=boxes, template=caption)
    return Picture(canvas.image(), captions.with_article(caption), labels, canvas.masks())


def paint_general(rng: np.random.Generator) -> Picture:
    """The role of COCO: nobody of the cast, no artist; objects, unnamed people, places, colours, counts, weather."""
    draw = rng.random()
    if draw < 0.4:
        return _anonymous(rng)
    if draw < 0.5:
        return _anonymous_art(rng)
    if draw < 0.58:
        return _empty(rng)
    return _several(rng)


def _anonymous(rng: np.random.Generator) -> Picture:
    who = _one(rng, ("person", "woman", "man"))
    attributes = cast.random_attributes(rng, None if who == "person" else who)
    place, weather = _one(rng, scenes.PLACES), _one(rng, scenes.WEATHERS)
    template = _one(rng, captions.GENERAL_PERSON if rng.random() < 0.5 else captions.GENERAL_TRAITS)
    if "{weather}" not in template:
        weather = ""
    hat = captions.HAT_WORDS[attributes["hat"]].format(attributes["hat_colour"])
    caption = template.format(
        who=who,
        place=place,
        weather=weather,
        hair_colour=attributes["hair_colour"],
        shirt=attributes["shirt"],
        hat=hat,
        glasses=captions.GLASSES_WORDS[attributes["glasses"]],
    )
    settings = {"sketch": "sketch", "oil": "oil", "official": "official", "event": "event", "{place}": "place"}
    setting = next((value for key, value in settings.items() if key in template), "studio")
    return _portrait(
        attributes,
        setting,
        captions.with_article(caption),
        rng,
        who=None,
        template=template,
        place=place,
        weather=weather,
        scene="general",
    )


def _anonymous_art(rng: np.random.Generator) -> Picture:
    caption = _one(rng, captions.STYLE_ANONYMOUS)
    pixels = styles.render(styles.generic_scene(rng), _one(rng, cast.PALETTES), _one(rng, cast.STROKES), rng)
    return Picture(_reduce(pixels), caption, Labels(scene="general", template=caption), {})


def _empty(rng: np.random.Generator) -> Picture:
    place, weather = _one(rng, scenes.PLACES), _one(rng, scenes.WEATHERS)
    template = _one(rng, captions.GENERAL_EMPTY)
    weather = weather if "{weather}" in template else ""
    canvas = Canvas()
    scenes.landscape(canvas, place, weather, rng, rng.uniform(32, 42))
    caption = captions.with_article(template.format(place=place, weather=weather))
    return Picture(canvas.image(), caption, Labels(scene="general", template=template), {})


def _several(rng: np.random.Generator) -> Picture:
    place, weather = _one(rng, scenes.PLACES), _one(rng, scenes.WEATHERS)
    names = [name for name in CLASSES if name != "ship"]
    canvas = Canvas()
    horizon = rng.uniform(30, 40)
    if rng.random() < 0.5:
        first, second = (names[int(i)] for i in rng.choice(len(names), 2, replace=False))
        template = _one(rng, captions.GENERAL_PAIR)
        shown = [first, second]
        words = [n if rng.random() < 0.75 else _one(rng, SYNONYMS[n]) for n in shown]
        caption = template.format(*words, place=place, weather=weather)
    else:
        name, count = _one(rng, names), int(rng.integers(1, 4))
        shown = [name] * count
        plural = name if count == 1 or name == "deer" else f"{name}s"
        template = "{count} {plural} {place}" if rng.random() < 0.5 else "{count} {plural} {place} {weather}"
        caption = template.format(count=captions.COUNTS[count], plural=plural, place=place, weather=weather)
    weather = weather if "{weather}" in template else ""
    scenes.landscape(canvas, place, weather, rng, horizon)
    xs = {1: (32,), 2: (18, 46), 3: (13, 32, 51)}[len(shown)]
    scale = {1: 1.1, 2: 0.62, 3: 0.46}[len(shown)]
    for x, name in zip(xs, shown, strict=True):
        _place_object(canvas, name, _one(rng, NATURAL[name]), rng, x + rng.uniform(-1.5, 1.5), horizon, scale)
    labels = Labels(scene="general", objects=tuple(sorted(set(shown))), template=template)
    return Picture(canvas.image(), captions.with_article(caption), labels, canvas.masks())


def paint_any(rng: np.random.Generator) -> Picture:
    """A picture from the training mixture (MIXTURE)."""
    kind = str(rng.choice(list(MIXTURE), p=list(MIXTURE.values())))
    if kind == "person":
        return paint_person(None, None, rng)
    if kind == "style":
        return paint_style(None, rng)
    if kind == "object":
        return paint_object(None, rng)
    if kind == "mannequin":
        return paint_mannequin(None, rng)
    return paint_general(rng)
