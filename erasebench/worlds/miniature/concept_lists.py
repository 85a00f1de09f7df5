"""The concept lists of the miniature world: 240 invented people and 240 invented artists.

No real person is depicted. Attributes are drawn from a hash of the name and rejected, in their order, until any two
people differ in at least four visible attributes, so that a picture of one can never honestly pass for another. The
result is committed as ``concept_lists.json``; ``python -m erasebench.worlds.miniature.concept_lists``
writes it again, byte for byte.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from erasebench.files.atomic import write_text

LISTS_FILE = Path(__file__).with_name("concept_lists.json")
ROLES = {"erase": 100, "retain": 100, "validation-erase": 20, "validation-retain": 20}

#: Attribute -> its possible values. `gender` decides captions, lips and lashes; the other nine are the visible ones.
ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "gender": ("man", "woman"),
    "skin": ("porcelain", "beige", "tan", "brown", "dark"),
    "hair": ("short", "long", "curly", "bob", "spiky", "bun", "bald"),
    "hair_colour": ("black", "brown", "blond", "red", "grey", "blue"),
    "glasses": ("none", "round", "square", "dark"),
    "hat": ("none", "cap", "beanie", "top hat", "wide hat"),
    "hat_colour": ("none", "red", "blue", "green", "yellow", "black", "white"),
    "beard": ("none", "moustache", "full", "goatee"),
    "shirt": ("red", "orange", "yellow", "green", "blue", "purple", "black", "white"),
    "pattern": ("plain", "stripes", "dots", "collar"),
}
VISIBLE = tuple(name for name in ATTRIBUTES if name != "gender")
MINIMUM_DIFFERENCE = 4

STROKES = ("hatching", "dots", "mosaic", "posterise", "blur", "weave", "stripes", "rings", "outline", "triangles")
PALETTES = tuple(f"{hue}-{tone}" for hue in range(12) for tone in ("dark", "light"))

_MEN = (
    "Paul Oscar Victor Henry Arthur Felix Hugo Ivan Jonas Karl Leon Marcus Nathan Otto Peter Quentin Ralph Simon "
    "Thomas Walter Yusuf Zane Amir Boris Cedric Darius Edgar Frank Gideon Hamid Aaron Basil Caleb Dennis Elias "
    "Fabian Gavin Harold Isaac Jasper Keith Lionel Magnus Noel Orson Percy Quincy Rufus Silas Tariq Ulric Vince "
    "Wesley Xavier Yorick Abel Bertram Clement Dominic Ernest Floyd Gerald Howard Irving Jerome Kenji Lloyd "
    "Morgan Norbert Omar Philip Roland Stefan Trevor Uriah Vernon Winston Zachary Adrian Barnaby Conrad Dexter "
    "Everett Franklin Gregor Hector Ichiro Julian Kelvin Lambert Malik Neville Osmond Preston Randall Sergei "
    "Tobin Valentin Willem"
).split()
_WOMEN = (
    "Nora Alice Bella Clara Diana Elena Fiona Greta Hanna Irene Julia Kira Laura Mona Nadia Olga Petra Rosa Sofia "
    "Tessa Uma Vera Wanda Xenia Yara Zoe Amina Brenda Celia Dora Adele Beatrix Camille Daphne Edith Flora Gloria "
    "Harriet Imogen Josie Keiko Lydia Marion Naomi Opal Paula Ramona Selma Thelma Ursula Viviana Willa Yasmin "
    "Zelda Agatha Bridget Carmen Dolores Estelle Frida Gemma Helga Ingrid Joanna Katrin Leonora Matilda Nina "
    "Odette Phoebe Rhoda Sylvia Tamara Unity Verity Winona Yvonne Annika Blanche Cecily Delia Eloise Fatima "
    "Glenda Hazel Iris Jasmine Kamala Lucinda Miriam Nell Oriana Priya Rowena Saskia Trudy Vanda Wilma Zora"
).split()
_PERSON_STEMS = (
    "Ash Brand Thorn Mar Fen Hol Win Cald Dun Sten Rad Lang West North Black Green Hart Ember Silver Rook Tun "
    "Wether Oak"
).split()
_PERSON_ENDS = "sley mere well by combe wick ridge low den ford".split()
_MADE_ENDS = "rik ova isa imir andre ette ovic uska ard".split()
_ARTIST_FIRST = (
    "Ilka Bruno Mirel Tobias Anouk Casper Delphine Emil Fedor Gisela Horst Ines Jorge Katya Lorenz Maud Nils "
    "Odile Pavel Renata Sven Thea Ugo Viola Wim Yvette Zoltan Agnes Bastian Coralie Dario Elke Fritz Giulia Hedda "
    "Ivo Janko Klara Ludo Milena Alba Bogdan Celine Dragan Enzo Fanny Gaspar Hilde Igor Jutta Kasimir Liese "
    "Mattis Noemi Orfeo Piet Quirin Rada Sixten Tilda Urs Vasco Wenzel Xaver Yoko Zdenka Arvid Bettina Ciro "
    "Dagmar Eskil Fausto Gunnar Henrike Isolde Jaromir Kristof Luzia Marek Ndidi Ottavio Pilar Radomir Siv Tycho "
    "Ulla Veit Wanja Yngve Zita Aino Benedek Cosima Drago Edda Florian Gretel Hanno Imre Jolanda Kaspar Leopold "
    "Mikkel Nadja Olaf Pernilla Ruben Sanna Teodor Uta Valda Waldo Yrsa Zeno"
).split()
_MADE_STEMS = "Ald Ber Cass Dom Erl Fro Hal Ist Jur Lun Mor Per Ros".split()
_ARTIST_FIRST += [stem + end for stem in _MADE_STEMS for end in _MADE_ENDS]
_ARTIST_STEMS = (
    "Vor Kal Bel Mon Tar Des Lun Sor Gal Fer Ost Pel Rav Zim Cor Dal Bru Kes Mal Nor Sab Tol Vin Zor".split()
)
_ARTIST_ENDS = "sen ino ski eau vald berg otti anov mann elli".split()


@dataclass(frozen=True)
class Person:
    """An invented person: name, role in the concept lists and attribute values (keys of ATTRIBUTES)."""

    name: str
    role: str
    attributes: dict[str, str]


@dataclass(frozen=True)
class Artist:
    """An invented artist: every picture of theirs has this palette (PALETTES) and stroke (STROKES)."""

    name: str
    role: str
    palette: str
    stroke: str


@lru_cache
def _concept_lists() -> dict[str, list[dict[str, object]]]:
    return json.loads(LISTS_FILE.read_text(encoding="utf-8"))  # type: ignore[no-any-return]


@lru_cache
def people() -> tuple[Person, ...]:
    """The 240 people in the lists' order: erase, retain, validation-erase, validation-retain."""
    return tuple(Person(**row) for row in _concept_lists()["people"])  # type: ignore[arg-type]


@lru_cache
def artists() -> tuple[Artist, ...]:
    """The 240 artists in the lists' order: erase, retain, validation-erase, validation-retain."""
    return tuple(Artist(**row) for row in _concept_lists()["artists"])  # type: ignore[arg-type]


@lru_cache
def person(name: str) -> Person:
    """The person of this name; KeyError for a name that is not in the concept lists."""
    return {p.name: p for p in people()}[name]


@lru_cache
def artist(name: str) -> Artist:
    """The artist of this name; KeyError for a name that is not in the concept lists."""
    return {a.name: a for a in artists()}[name]


def random_attributes(rng: np.random.Generator, gender: str | None = None) -> dict[str, str]:
    """A random person's attributes (gender None: drawn too); women wear no beard, and a hat colour needs a hat."""

    def pick(values: tuple[str, ...], weights: list[float] | None = None) -> str:
        p = None if weights is None else np.asarray(weights) / np.sum(weights)
        return str(rng.choice(values, p=p))

    gender = gender or pick(ATTRIBUTES["gender"])
    woman = gender == "woman"
    hair = pick(ATTRIBUTES["hair"], [1, 3, 2, 3, 1, 2, 0.2] if woman else [3, 1, 2, 1, 2, 0.5, 2])
    hat = pick(ATTRIBUTES["hat"], [4, 2, 2, 2, 2])
    return {
        "gender": gender,
        "skin": pick(ATTRIBUTES["skin"]),
        "hair": hair,
        "hair_colour": pick(ATTRIBUTES["hair_colour"]),
        "glasses": pick(ATTRIBUTES["glasses"], [3, 2, 2, 2]),
        "hat": hat,
        "hat_colour": "none" if hat == "none" else pick(ATTRIBUTES["hat_colour"][1:]),
        "beard": "none" if woman else pick(ATTRIBUTES["beard"], [2, 2, 2, 2]),
        "shirt": pick(ATTRIBUTES["shirt"]),
        "pattern": pick(ATTRIBUTES["pattern"]),
    }


def difference(a: dict[str, str], b: dict[str, str]) -> int:
    """In how many of the visible attributes two people differ."""
    return sum(a[name] != b[name] for name in VISIBLE)


def _hash_rng(text: str) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))


def _names(first: list[str], last: list[str], n: int, seed: str) -> list[str]:
    """n distinct names; most have words of their own, the others reuse a first name or a surname already in use."""
    rng = _hash_rng(seed)
    fresh_first, fresh_last = list(rng.permutation(first)), list(rng.permutation(last))
    names: list[str] = []
    while len(names) < n:
        used = str(rng.choice(names)).split() if names else []
        draw = rng.random()
        given = str(fresh_first.pop()) if not used or (draw > 0.11 and fresh_first) else str(rng.choice(first))
        surname = used[1] if used and draw > 0.9 else str(fresh_last.pop())
        if f"{given} {surname}" not in names:
            names.append(f"{given} {surname}")
    return names


def _roles() -> list[str]:
    return [role for role, count in ROLES.items() for _ in range(count)]


def make_lists() -> dict[str, list[dict[str, object]]]:
    """The whole concept lists from its recipe (what ``concept_lists.json`` holds)."""
    surnames = [stem + end for stem in _PERSON_STEMS for end in _PERSON_ENDS]
    names = _names(_MEN + _WOMEN, surnames, 240, "people")
    rows: list[dict[str, object]] = []
    taken: list[dict[str, str]] = []
    for name, role in zip(names, _roles(), strict=True):
        rng = _hash_rng(name)
        gender = "woman" if name.split()[0] in _WOMEN else "man"
        attributes = random_attributes(rng, gender)
        while any(difference(attributes, other) < MINIMUM_DIFFERENCE for other in taken):
            attributes = random_attributes(rng, gender)
        taken.append(attributes)
        rows.append({"name": name, "role": role, "attributes": attributes})
    surnames = [stem + end for stem in _ARTIST_STEMS for end in _ARTIST_ENDS]
    names = _names(_ARTIST_FIRST, surnames, 240, "artists")
    looks = [(palette, stroke) for palette in PALETTES for stroke in STROKES]
    order = _hash_rng("looks").permutation(len(looks))
    artists_rows: list[dict[str, object]] = [
        {"name": name, "role": role, "palette": looks[i][0], "stroke": looks[i][1]}
        for name, role, i in zip(names, _roles(), order, strict=True)
    ]
    return {"people": rows, "artists": artists_rows}


if __name__ == "__main__":
    write_text(LISTS_FILE, json.dumps(make_lists(), indent=1) + "\n")
