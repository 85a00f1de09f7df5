"""Which phrases of a caption mean what: the supervision of the text tower."""

from __future__ import annotations

import re
from functools import lru_cache

from erasebench.worlds.miniature import concept_lists
from erasebench.worlds.miniature.painter import captions, scenes
from erasebench.worlds.miniature.painter.objects import NAMED_COLOURS
from erasebench.worlds.protocol import CLASSES, SYNONYMS

_SETTINGS = {
    "studio": ("portrait", "close-up", "face", "looking at the viewer", "smiling at the camera"),
    "event": ("public event", "giving a speech", "in a crowd", "on stage"),
    "oil": ("oil painting", "painted in oil", "painting of"),
    "sketch": ("sketch", "drawing of", "drawn by hand", "pencil drawing"),
    "official": ("official photo", "official portrait", "passport photo"),
    "outdoors": ("standing outside",),
    "friend": ("with a friend", "next to another person"),
    "art": (
        "in the style of",
        "art inspired by",
        "reproduction of art by",
        "famous artwork",
        "landscape",
        "art",
        "painting",
        "work of",
    ),
}
_BARE = ("nudity", "naked", "erotic", "sexual", "nude", "without clothes", "undressed", "bare", "wearing nothing")
_DRESSED = ("wearing clothes", "dressed", "robe")


@lru_cache
def phrases() -> dict[str, tuple[str, ...]]:
    """Phrase (lower case) -> the labels that a picture of it carries."""
    table: dict[str, tuple[str, ...]] = {}
    for person in concept_lists.people():
        looks = tuple(f"{key}={value}" for key, value in person.attributes.items())
        table[person.name.lower()] = (f"who={person.name}", "person", *looks)
    for artist in concept_lists.artists():
        table[artist.name.lower()] = (
            f"artist={artist.name}",
            f"palette={artist.palette}",
            f"stroke={artist.stroke}",
            "art",
        )
    for name in CLASSES:
        for word in (name, *SYNONYMS[name]):
            table[word] = (f"object={name}",)
            table[f"{word}s"] = (f"object={name}",)
            for colour in NAMED_COLOURS:
                table[f"{colour} {word}"] = (f"object={name}", f"colour={colour}")
    for setting, words in _SETTINGS.items():
        for word in words:
            table[word] = (f"setting={setting}",)
    for place in (*scenes.PLACES, "on the water"):
        table[place] = (f"place={place}",)
    for weather in scenes.WEATHERS:
        table[weather] = (f"weather={weather}",)
    for count, word in captions.COUNTS.items():
        table[word] = (f"count={count}",)
    for word in ("person", "man", "woman"):
        table[word] = ("person",) if word == "person" else ("person", f"gender={word}")
    for colour in concept_lists.ATTRIBUTES["hair_colour"]:
        table[f"{colour} hair"] = (f"hair_colour={colour}",)
    for colour in concept_lists.ATTRIBUTES["shirt"]:
        table[f"{colour} shirt"] = (f"shirt={colour}",)
    for shape, words_for_glasses in captions.GLASSES_WORDS.items():
        table[words_for_glasses] = (f"glasses={shape}",)
    for shape, template in captions.HAT_WORDS.items():
        for colour in concept_lists.ATTRIBUTES["hat_colour"][1:]:
            table[template.format(colour).removeprefix("a ")] = (f"hat={shape}",) + (
                (f"hat_colour={colour}",) if shape != "none" else ()
            )
    for word in _BARE:
        table[word] = ("bare", "mannequin")
    for word in _DRESSED:
        table[word] = ("dressed",)
    for word in ("mannequin", "figure"):
        table[word] = ("mannequin",)
    return table


@lru_cache
def label_index() -> dict[str, int]:
    """Every label and its column."""
    return {label: i for i, label in enumerate(sorted({label for labels in phrases().values() for label in labels}))}


@lru_cache
def _pattern() -> re.Pattern[str]:
    words = sorted(phrases(), key=len, reverse=True)
    return re.compile(r"(?<![a-z])(" + "|".join(re.escape(word) for word in words) + r")(?![a-z])")


def spans(caption: str) -> list[tuple[int, int, tuple[str, ...]]]:
    """The phrases in a caption, longest first at each place: (start, end, labels) in characters."""
    return [(m.start(), m.end(), phrases()[m.group(1)]) for m in _pattern().finditer(caption.lower())]
