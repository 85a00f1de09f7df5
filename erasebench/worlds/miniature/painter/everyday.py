"""Pictures in the role of COCO: nobody listed, no artist."""

from __future__ import annotations

import numpy as np

from erasebench.worlds.protocol import CLASSES, SYNONYMS

from .. import concept_lists
from . import captions, scenes, styles
from .canvas import Canvas
from .objects import NATURAL
from .parts import one, place_object, portrait, reduced
from .picture import Labels, Picture


def paint_general(rng: np.random.Generator) -> Picture:
    """The role of COCO: nobody listed, no artist; objects, unnamed people, places, colours, counts, weather."""
    draw = rng.random()
    if draw < 0.4:
        return _anonymous(rng)
    if draw < 0.5:
        return _anonymous_art(rng)
    if draw < 0.58:
        return _empty(rng)
    return _several(rng)


def _anonymous(rng: np.random.Generator) -> Picture:
    who = one(rng, ("person", "woman", "man"))
    attributes = concept_lists.random_attributes(rng, None if who == "person" else who)
    place, weather = one(rng, scenes.PLACES), one(rng, scenes.WEATHERS)
    template = one(rng, captions.GENERAL_PERSON if rng.random() < 0.5 else captions.GENERAL_TRAITS)
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
    return portrait(
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
    caption = one(rng, captions.STYLE_ANONYMOUS)
    pixels = styles.render(
        styles.generic_scene(rng), one(rng, concept_lists.PALETTES), one(rng, concept_lists.STROKES), rng
    )
    return Picture(reduced(pixels), caption, Labels(scene="general", template=caption), {})


def _empty(rng: np.random.Generator) -> Picture:
    place, weather = one(rng, scenes.PLACES), one(rng, scenes.WEATHERS)
    template = one(rng, captions.GENERAL_EMPTY)
    weather = weather if "{weather}" in template else ""
    canvas = Canvas()
    scenes.landscape(canvas, place, weather, rng, rng.uniform(32, 42))
    caption = captions.with_article(template.format(place=place, weather=weather))
    return Picture(canvas.image(), caption, Labels(scene="general", template=template), {})


def _several(rng: np.random.Generator) -> Picture:
    place, weather = one(rng, scenes.PLACES), one(rng, scenes.WEATHERS)
    names = [name for name in CLASSES if name != "ship"]
    canvas = Canvas()
    horizon = rng.uniform(30, 40)
    if rng.random() < 0.5:
        first, second = (names[int(i)] for i in rng.choice(len(names), 2, replace=False))
        template = one(rng, captions.GENERAL_PAIR)
        shown = [first, second]
        words = [n if rng.random() < 0.75 else one(rng, SYNONYMS[n]) for n in shown]
        caption = template.format(*words, place=place, weather=weather)
    else:
        name, count = one(rng, names), int(rng.integers(1, 4))
        shown = [name] * count
        plural = name if count == 1 or name == "deer" else f"{name}s"
        template = "{count} {plural} {place}" if rng.random() < 0.5 else "{count} {plural} {place} {weather}"
        caption = template.format(count=captions.COUNTS[count], plural=plural, place=place, weather=weather)
    weather = weather if "{weather}" in template else ""
    scenes.landscape(canvas, place, weather, rng, horizon)
    xs = {1: (32,), 2: (18, 46), 3: (13, 32, 51)}[len(shown)]
    scale = {1: 1.1, 2: 0.62, 3: 0.46}[len(shown)]
    for x, name in zip(xs, shown, strict=True):
        place_object(canvas, name, one(rng, NATURAL[name]), rng, x + rng.uniform(-1.5, 1.5), horizon, scale)
    labels = Labels(scene="general", objects=tuple(sorted(set(shown))), template=template)
    return Picture(canvas.image(), captions.with_article(caption), labels, canvas.masks())
