"""What is to be erased, and everything that a method may know about it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

Kind = Literal["object", "person", "style", "explicit"]
EVERY_KIND: frozenset[Kind] = frozenset(get_args(Kind))
LONGEST_NAME = 150
"""Characters; CLIP reads 77 tokens of a prompt, and names become parts of file names."""


def concept_key(name: str) -> str:
    """What two spellings of one name have in common: 'Dog', 'dog ' and 'DOG' are one, whatever their accents' form."""
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
    return " ".join(folded.split())


def repeated(names: Iterable[str]) -> tuple[str, str] | None:
    """The first two of `names` that are one name; None where each stands once."""
    seen: dict[str, str] = {}
    for name in names:
        key = concept_key(name)
        if key in seen:
            return seen[key], name
        seen[key] = name
    return None


def twice_said(names: tuple[str, str]) -> str:
    """What is to say of the two names that `repeated` found."""
    spelt = "" if names[0] == names[1] else f", once as '{names[0]}'"
    return f"'{names[1]}' is given twice{spelt}"


def checked_name(name: str) -> str:
    """`name` as it is. ValueError for one that no prompt can hold: blank, of several lines, or without an end."""
    if not name.strip():
        raise ValueError("the name is empty")
    if not all(letter.isprintable() or letter.isspace() for letter in name) or len(name.splitlines()) > 1:
        raise ValueError(f"the name {name!r} contains a line break or a character that cannot be printed")
    if len(name) > LONGEST_NAME:
        raise ValueError(f"the name '{name[:20]}...' is longer than {LONGEST_NAME} characters")
    return name


Name = Annotated[str, AfterValidator(checked_name)]
"""The name of a concept in a file that a user writes."""


class Concept(BaseModel):
    """One concept: its name as prompts write it, its kind, and the anchor that it becomes ('a person'; '': nothing)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    kind: Kind
    anchor: str

    @model_validator(mode="after")
    def _becomes_another(self) -> Self:
        if concept_key(self.name) == concept_key(self.anchor):
            raise ValueError(f"'{self.name}' is its own anchor: nothing would be erased")
        return self


class ErasureTask(BaseModel):
    """All that a method may know: the concepts, the names it is given to keep, and the prior captions.

    Evaluation prompts, synonyms and retained names that the method is not given are not in it, by design; but a prior
    caption, which is general, may name a class of objects or a synonym.
    `concepts` share one kind; `keep` names are never among them. A breach raises pydantic's ValidationError.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    concepts: tuple[Concept, ...] = Field(min_length=1)
    keep: tuple[str, ...] = ()
    prior_captions: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if twice := repeated(self.names):
            raise ValueError(f"a concept is listed twice: '{twice[0]}' and '{twice[1]}'")
        if len({concept.kind for concept in self.concepts}) != 1:
            raise ValueError("concepts of different kinds in one task")
        erased = {concept_key(name) for name in self.names}
        if both := sorted(name for name in self.keep if concept_key(name) in erased):
            raise ValueError(f"names both erased and kept: {both}")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """What is erased, in order."""
        return tuple(concept.name for concept in self.concepts)

    @property
    def anchors(self) -> dict[str, str]:
        """What each concept becomes, by its name."""
        return {concept.name: concept.anchor for concept in self.concepts}

    @property
    def kind(self) -> Kind:
        """The kind that all concepts of the task share."""
        return self.concepts[0].kind
