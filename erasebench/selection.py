"""A suite in a world, with its names chosen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from erasebench.concepts import Concept, ErasureTask, Kind
from erasebench.errors import UserError, did_you_mean
from erasebench.identity import digest

if TYPE_CHECKING:
    from erasebench.suite import Suite
    from erasebench.world import SizeName, World


class Selection(BaseModel):
    """What is erased and what each erased name becomes, what a method is told to keep, what it is not told of.

    `synonyms` are other words for the erased names. `kept_besides` are names that a method is told to keep as well as
    the shown ones, and that no group measures.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scale: int | str
    erased: tuple[str, ...]
    anchors: tuple[str, ...]
    shown: tuple[str, ...]
    unseen: tuple[str, ...]
    synonyms: tuple[str, ...] = ()
    kept_besides: tuple[str, ...] = ()

    def task(self, kind: Kind, prior_captions: tuple[str, ...]) -> ErasureTask:
        """All that a method is told: nothing of templates, seeds, synonyms or unseen names is in it."""
        concepts = tuple(
            Concept(name=name, kind=kind, anchor=anchor) for name, anchor in zip(self.erased, self.anchors, strict=True)
        )
        return ErasureTask(concepts=concepts, keep=self.shown + self.kept_besides, prior_captions=prior_captions)


def selections(
    suite: Suite,
    world: World,
    size: SizeName,
    scale: int | None = None,
    concepts: tuple[str, ...] | None = None,
) -> tuple[Selection, ...]:
    """Every run of a suite in a world: one, or one for each name where the suite erases one at a time.

    `scale` does not concern a suite that has no choice of scales. UserError as `select`.
    """
    if concepts is not None and scale is not None:
        raise UserError(f"Both --scale {scale} and --concepts are given.", "Give one: --concepts names what to erase.")
    if not suite.one_at_a_time:
        return (select(suite, world, scale if suite.has_scales else None, concepts),)
    known = world.cast.all_names(suite.kind)
    asked = suite.sizes[size].concepts or known if concepts is None else concepts
    names = _known(asked, known, world.name)
    return tuple(_selected(suite, world, name, (name,)) for name in names)


def select(suite: Suite, world: World, scale: int | None = None, concepts: tuple[str, ...] | None = None) -> Selection:
    """The names of a suite in a world: the first `scale` of its erase list, or `concepts` by name, erased together.

    UserError for a scale that the suite does not have or a name that is not in the world's cast.
    """
    if concepts is not None and scale is not None:
        raise UserError(f"Both --scale {scale} and --concepts are given.", "Give one: --concepts names what to erase.")
    if concepts is not None:
        erased = _known(concepts, world.cast.all_names(suite.kind), world.name)
        return _selected(suite, world, f"custom-{digest(sorted(erased))[:6]}", erased)
    label = suite.default_scale if scale is None else scale
    if label not in suite.scales or label is None:
        known = ", ".join(map(str, suite.scales)) or "none"
        raise UserError(f"The suite {suite.name} has no scale {label}.", f"Give one of {known}, or --concepts.")
    for named in suite.sets:
        if (named.world, named.scale) == (world.name, label):
            return _selected(suite, world, label, named.names, named.anchor)
    return _selected(suite, world, label, world.cast.names(suite.kind, "erase")[:label])


def _selected(
    suite: Suite, world: World, label: int | str, erased: tuple[str, ...], anchor: str | None = None
) -> Selection:
    retained = tuple(name for name in _retained(suite, world) if name not in erased)
    shown = _spread(retained, suite.shown.get(world.name, suite.shown["default"]))
    return Selection(
        scale=label,
        erased=erased,
        anchors=tuple(anchor or suite.anchor_of(name, world.name) for name in erased),
        shown=shown,
        unseen=tuple(name for name in retained if name not in shown),
        synonyms=tuple(word for name in erased for word in world.cast.synonyms.get(name, ())),
        kept_besides=tuple(
            name for name in world.cast.kept_besides.get(suite.kind, ()) if name not in (*erased, *retained)
        ),
    )


def _retained(suite: Suite, world: World) -> tuple[str, ...]:
    """The names that have to stay; where the cast has no such list of the kind, those that are not erased this time."""
    if not any(group.startswith("retained") for group in suite.groups):
        return ()
    return world.cast.lists.get((suite.kind, "retain"), ()) or world.cast.names(suite.kind, "erase")


def _known(concepts: Iterable[str], names: tuple[str, ...], world: str) -> tuple[str, ...]:
    chosen = tuple(concepts)
    for concept in chosen:
        if concept not in names:
            raise UserError(f"The world {world} knows no '{concept}'.", did_you_mean(concept, names))
    if len(set(chosen)) != len(chosen):
        raise UserError(f"--concepts names something twice: {', '.join(chosen)}.", "Give each name once.")
    if not chosen:
        raise UserError("--concepts is empty.", "Give names as 'First Name,Second Name'.")
    return chosen


def _spread(names: tuple[str, ...], count: int) -> tuple[str, ...]:
    """`count` of the names, spread evenly, so that prefixes of the list hold both kinds in the same proportion."""
    if not names or count >= len(names):
        return names
    return tuple(
        name for at, name in enumerate(names) if -(-(at + 1) * count // len(names)) > -(-at * count // len(names))
    )
