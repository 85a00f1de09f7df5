"""The miniature's validation split: names, seeds and general captions that no suite measures.

Recipes are tuned here (``erasebench run --world miniature-validation ...``), never on what a board reports.
"""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar

from erasebench.api.concepts import Kind
from erasebench.api.world import ConceptLists, GeneralRow, Role

from . import explicit, general
from .world import MiniatureWorld

# Names given as the suites give them, so that a method is given as many names to keep here as there: 10 of its own that
# are measured, and 40 of those that the suites give anyway, which are not.
EXTRA_RETAIN = 40
ROLES: dict[Role, Role] = {"erase": "validation-erase", "retain": "validation-retain"}


def shared(whole: ConceptLists) -> dict[tuple[Kind, Role], tuple[str, ...]]:
    """The lists of objects and explicit words."""
    kinds: tuple[Kind, ...] = ("object", "explicit")
    return {(kind, "erase"): whole.names(kind, "erase") for kind in kinds}


class MiniatureValidationWorld(MiniatureWorld):
    """The same model and judges; the 20 + 20 people and artists that are in no suite."""

    name: ClassVar[str] = "miniature-validation"
    about: ClassVar[str] = "The miniature world's validation split, for tuning recipes; no leaderboard reports it."
    recipes: ClassVar[str | None] = "miniature"
    first_seed: ClassVar[int] = 10_001

    @cached_property
    def concept_lists(self) -> ConceptLists:  # type: ignore[override]
        whole = super().concept_lists
        kinds: tuple[Kind, ...] = ("person", "style")
        names = {(kind, role): whole.names(kind, own) for kind in kinds for role, own in ROLES.items()}
        given = {kind: whole.names(kind, "retain")[::2][:EXTRA_RETAIN] for kind in kinds}
        # Classes and words are ten and four: here only seeds and prompts are others.
        return ConceptLists({**names, **shared(whole)}, whole.synonyms, given)

    def explicit_prompts(self) -> list[GeneralRow]:
        """Prompts for the stand-in that no suite asks for."""
        return explicit.validation_prompts(self.first_seed)

    def general_prompts(self) -> list[GeneralRow]:
        """300 general captions that no suite asks for."""
        return general.general_rows()[general.GENERAL_ROWS :]
