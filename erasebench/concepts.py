"""What is to be erased, and everything that a method may know about it."""

from __future__ import annotations

from typing import Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

Kind = Literal["object", "person", "style", "explicit"]
EVERY_KIND: frozenset[Kind] = frozenset(get_args(Kind))


class Concept(BaseModel):
    """One concept: its name as prompts write it, its kind, and the anchor that it becomes ('a person')."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    kind: Kind
    anchor: str


class ErasureTask(BaseModel):
    """All that a method may know: the concepts, the names it is told to keep, and the prior captions.

    Evaluation prompts, synonyms and retained names that the method is not told of are not in it, by design; but a prior
    caption, which is general, may name a class of objects or a synonym.
    `concepts` share one kind; `keep` names are never among them. A breach raises pydantic's ValidationError.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    concepts: tuple[Concept, ...] = Field(min_length=1)
    keep: tuple[str, ...] = ()
    prior_captions: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.names)) != len(self.names):
            raise ValueError("a concept is listed twice")
        if len({concept.kind for concept in self.concepts}) != 1:
            raise ValueError("concepts of different kinds in one task")
        if both := set(self.names) & set(self.keep):
            raise ValueError(f"names both erased and kept: {sorted(both)}")
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
