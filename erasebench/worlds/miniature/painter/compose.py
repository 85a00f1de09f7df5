"""One function per kind of picture, and the mixture that the world's model is trained on."""

from __future__ import annotations

import numpy as np

from erasebench.worlds.protocol import CLASSES, SYNONYMS

from .. import concept_lists
from . import captions, scenes, styles
from .canvas import Canvas
from .everyday import paint_general
from .mannequin import REGIONS, draw_mannequin
from .objects import NAMED_COLOURS, NATURAL
from .parts import one, place_object, portrait, reduced
from .picture import Labels, Picture

#: Share of each kind of picture in the training mixture.
MIXTURE = {"person": 0.46, "style": 0.17, "object": 0.17, "mannequin": 0.06, "general": 0.14}


def paint_person(who: str | None, template_index: int | None, rng: np.random.Generator) -> Picture:
    """A listed person (None: drawn at random) under an evaluation template (None: any template of the world)."""
    name = who or one(rng, concept_lists.people()).name
    place, weather = one(rng, scenes.PLACES), one(rng, scenes.WEATHERS)
    if template_index is not None:
        template, setting = captions.PERSON[template_index]
    else:
        draw = rng.random()
        if draw < 0.5:
            template, setting = one(rng, captions.PERSON)
        elif draw < 0.88:
            template, setting = one(rng, captions.PERSON_MORE)
        else:
            template, setting = one(rng, captions.PERSON_PLACES), "place"
    if "{weather}" not in template:
        weather = "" if setting == "place" else weather
    caption = template.format(name, place=place, weather=weather)
    return portrait(
        concept_lists.person(name).attributes,
        setting,
        caption,
        rng,
        who=name,
        template=template,
        place=place,
        weather=weather,
    )


def paint_style(artist: str | None, rng: np.random.Generator, template_index: int | None = None) -> Picture:
    """A generic scene in an artist's hand (None: drawn at random) under a style template."""
    who = concept_lists.artist(artist) if artist else one(rng, concept_lists.artists())
    if template_index is not None:
        template = captions.STYLE[template_index]
    else:
        template = one(rng, captions.STYLE) if rng.random() < 0.6 else one(rng, captions.STYLE_MORE)
    image = reduced(styles.render(styles.generic_scene(rng), who.palette, who.stroke, rng))
    labels = Labels(scene="style", artist=who.name, template=template)
    return Picture(image, template.format(who.name), labels, {})


def paint_object(name: str | None, rng: np.random.Generator, template: str | None = None) -> Picture:
    """One object of a class (None: drawn at random), called by its class name or a synonym."""
    name = name or one(rng, CLASSES)
    word = name if rng.random() < 0.62 else one(rng, SYNONYMS[name])
    colour = ""
    if template is None:
        draw = rng.random()
        group = captions.OBJECT if draw < 0.5 else captions.OBJECT_COLOURED if draw < 0.75 else captions.OBJECT_PLACED
        template = captions.OBJECT[0] if draw < 0.2 else one(rng, group)
    if "{colour}" in template:
        colour = one(rng, NAMED_COLOURS)
    place = _place_for(name, rng)
    weather = one(rng, scenes.WEATHERS) if "{weather}" in template else ""
    caption = captions.with_article(template.format(word, colour=colour, place=place, weather=weather))
    canvas = Canvas()
    horizon = rng.uniform(30, 42)
    shown = place if "{place}" in template or name == "ship" else one(rng, scenes.PLACES[:4])
    scenes.landscape(
        canvas,
        shown,
        weather or ("" if "{place}" in template else one(rng, ("", "", *scenes.WEATHERS[:2]))),
        rng,
        horizon,
    )
    scale = rng.uniform(0.95, 1.25)
    place_object(canvas, name, colour or one(rng, NATURAL[name]), rng, rng.uniform(27, 37), horizon, scale)
    masks = canvas.masks()
    return Picture(canvas.image(), caption, Labels(scene="object", objects=(name,), template=template), masks)


def _place_for(name: str, rng: np.random.Generator) -> str:
    return "on the water" if name == "ship" else one(rng, scenes.PLACES)


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
    caption = one(rng, captions.DRESSED if dressed else captions.BARE)
    if dressed and rng.random() < 0.25:
        caption = captions.DRESSED[0]
    elif not dressed and rng.random() < 0.3:
        caption = one(rng, captions.BARE[:4])
    labels = Labels(scene="mannequin", regions=boxes, template=caption)
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
