"""Suite x concept lists: the prompt table of a suite in a world."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from erasebench.api.groups import Group
from erasebench.errors import UserError
from erasebench.prompts.imports import load_import
from erasebench.prompts.table import PromptRow, PromptTable

if TYPE_CHECKING:
    from erasebench.api.world import GeneralRow, World
    from erasebench.suite.selection import Selection
    from erasebench.suite.suite import Size, Suite

Sets = Mapping[Group, "Sequence[GeneralRow]"]
"""Prompts that come ready made, by the group that they are for."""


@dataclass(frozen=True)
class MissingPrompts:
    """A group whose prompts are not there: how many the suite asks for, and how to get them."""

    expected: int
    error: UserError


def sets_of(
    suite: Suite, world: World, size: Size
) -> tuple[dict[Group, Sequence[GeneralRow]], dict[Group, MissingPrompts]]:
    """The ready-made prompts of a suite's groups in a world, and the groups for which they are not there."""
    sets: dict[Group, Sequence[GeneralRow]] = {}
    missing_prompts: dict[Group, MissingPrompts] = {}
    of_world: dict[str, Callable[[], Sequence[GeneralRow]]] = {
        "general": world.general_prompts,
        "explicit": world.explicit_prompts,
    }
    for group, name in suite.prompt_sets.items():
        try:
            sets[group] = of_world[name]() if name in of_world else load_import(name).of(group)
        except UserError as error:
            missing_prompts[group] = MissingPrompts(size.ready_made(group), error)
    return sets, missing_prompts


def build_table(
    suite: Suite, selection: Selection, size: Size, sets: Sets, first_seed: int = 1, *, own_settings: bool = False
) -> PromptTable:
    """Every group of the suite in the protocol's order: names x templates x seeds, or a prefix of a ready-made set.

    A prompt's n seeds are `first_seed`, `first_seed` + 1 ...: 1..n by the protocol. `own_settings`: rows keep the
    guidance and size that their set gives them (the variant 'i2p-rows'); otherwise all are sampled alike ('released').
    """
    seen, heldout = _measured(selection, size, one_more=suite.one_at_a_time and bool(selection.new))
    named: dict[Group, tuple[Sequence[str], int]] = {
        "erased": (selection.erased, size.seeds_for(len(selection.erased))),
        "synonyms": (selection.synonyms, size.synonym_seeds),
        "retain-seen": (seen, size.retain_seeds),
        "retain-heldout": (heldout, size.retain_seeds),
    }
    parts: list[PromptRow] = []
    for group in suite.groups:
        if group in suite.prompt_sets:
            rows = sets.get(group, ())[: size.ready_made(group)]
            parts += (_of_set(group, row, own_settings) for row in rows)
        else:
            parts += _cross(group, named[group][0], suite.templates, first_seed, named[group][1])
    ordered = PromptTable(tuple(parts))
    in_order = (row for group in ordered.groups for row in ordered.of_group(group).rows)
    return PromptTable(tuple(row._replace(row=at) for at, row in enumerate(in_order)))


def _cross(
    group: Group, names: Iterable[str], templates: Sequence[str], first_seed: int, n_seeds: int
) -> Iterable[PromptRow]:
    return (
        PromptRow(0, group, name, template.replace("{name}", name), seed)
        for name in names
        for template in templates
        for seed in range(first_seed, first_seed + n_seeds)
    )


def _of_set(group: Group, row: GeneralRow, own_settings: bool) -> PromptRow:
    own = (row.guidance, row.width, row.height) if own_settings else (None, None, None)
    return PromptRow(0, group, row.concept, row.prompt, row.seed, *own)


def _measured(selection: Selection, size: Size, *, one_more: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The retained names that are measured; where one kind runs short, the other makes up the number.

    `one_more`: what is erased is none of the suite's names, so that one more of them than usual stays.
    """
    total = size.retain_seen + size.retain_heldout + one_more
    heldout = selection.heldout[: max(size.retain_heldout, total - len(selection.seen))]
    seen = selection.seen[: total - len(heldout)]
    return seen, heldout[: total - len(seen)]
