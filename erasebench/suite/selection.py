"""A suite in a world, with its names chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from erasebench.api.concepts import Concept, ErasureTask, Kind, concept_key
from erasebench.errors import UserError
from erasebench.identity import digest
from erasebench.suite.choice import anchors_of, chosen_names, marked

if TYPE_CHECKING:
    from erasebench.api.world import SizeName, World
    from erasebench.suite.suite import Suite


class Selection(BaseModel):
    """What is erased and what it becomes, names that a method is given to keep (`seen`) and names that it is not.

    `synonyms` are other words for the erased names. `extra_retain` are names that a method is given to keep as well
    as the seen ones, and that no group measures. `new`: erased names that are not in the world's concept lists.
    `own_anchors`: how messages and tables call anchors that are not the suite's; '' where they are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scale: int | str
    erased: tuple[str, ...]
    anchors: tuple[str, ...]
    seen: tuple[str, ...]
    heldout: tuple[str, ...]
    synonyms: tuple[str, ...] = ()
    extra_retain: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    own_anchors: str = ""

    def task(self, kind: Kind, prior_captions: tuple[str, ...]) -> ErasureTask:
        """All that a method is given: nothing of templates, seeds, synonyms or held-out names is in it."""
        concepts = tuple(
            Concept(name=name, kind=kind, anchor=anchor) for name, anchor in zip(self.erased, self.anchors, strict=True)
        )
        return ErasureTask(concepts=concepts, keep=self.seen + self.extra_retain, prior_captions=prior_captions)


def selections(
    suite: Suite,
    world: World,
    size: SizeName,
    scale: int | None = None,
    concepts: tuple[str, ...] | None = None,
    anchors: tuple[str, ...] | None = None,
) -> tuple[Selection, ...]:
    """Every run of a suite in a world: one, or one for each name where the suite erases one at a time.

    `scale` does not concern a suite that has no choice of scales. UserError as `select`.
    """
    if not suite.one_at_a_time:
        return (select(suite, world, scale if suite.has_scales else None, concepts, anchors),)
    _check_one(scale, concepts)
    known = world.concept_lists.all_names(suite.kind)
    asked = suite.sizes[size].concepts or known
    names = asked if concepts is None else chosen_names(concepts, known, world.name, anchored=anchors is not None)
    own = anchors_of(names, anchors)
    return tuple(_selected(suite, world, name, (name,), own and (own[at],)) for at, name in enumerate(names))


def select(
    suite: Suite,
    world: World,
    scale: int | None = None,
    concepts: tuple[str, ...] | None = None,
    anchors: tuple[str, ...] | None = None,
) -> Selection:
    """The names of a suite in a world: the first `scale` of its erase list, or `concepts` by name, erased together.

    `anchors`: what they become in place of what the suite says, one for all or one for each; with them `concepts` may
    be any words. UserError for a scale that the suite does not have, a name that is not in the world's concept lists
    and has no anchor, and a name that stands twice or is its own anchor.
    """
    _check_one(scale, concepts)
    if concepts is not None:
        known = world.concept_lists.all_names(suite.kind)
        erased = chosen_names(concepts, known, world.name, anchored=anchors is not None)
        return _selected(suite, world, f"custom-{digest(sorted(erased))[:6]}", erased, anchors_of(erased, anchors))
    label = suite.default_scale if scale is None else scale
    if label not in suite.scales or label is None:
        known_scales = ", ".join(map(str, suite.scales)) or "none"
        raise UserError(f"The suite {suite.name} has no scale {label}.", f"Give one of {known_scales}, or --concepts.")
    for named in suite.sets:
        if (named.world, named.scale) == (world.name, label):
            own = anchors_of(named.names, anchors)
            return _selected(suite, world, label, named.names, own, (named.anchor,) * len(named.names))
    erased = world.concept_lists.names(suite.kind, "erase")[:label]
    return _selected(suite, world, label, erased, anchors_of(erased, anchors))


def _check_one(scale: int | None, concepts: tuple[str, ...] | None) -> None:
    if concepts is not None and scale is not None:
        raise UserError(f"Both --scale {scale} and --concepts are given.", "Give one: --concepts names what to erase.")


def _selected(
    suite: Suite,
    world: World,
    label: int | str,
    erased: tuple[str, ...],
    own: tuple[str, ...] | None,
    usual: tuple[str, ...] | None = None,
) -> Selection:
    """`own`: anchors that the user gives; `usual`: those of the suite where its set has some of its own."""
    usual = usual or tuple(suite.anchor_of(name, world.name) for name in erased)
    anchors = own or usual
    for name, anchor in zip(erased, anchors, strict=True):
        if concept_key(name) == concept_key(anchor):
            what = f"'{name}' is its own anchor in the suite {suite.name}: nothing would be erased."
            raise UserError(what, "Give another with --anchor, or in the suite's file.")
    own_anchors = "" if anchors == usual else marked(anchors)
    retained = _retained(suite, world, erased)
    n_given = suite.given.get(world.name, suite.given["default"])
    known = world.concept_lists.all_names(suite.kind)
    new = tuple(name for name in erased if name not in known)
    # A suite that gives all of the others gives one more where what is erased is none of them.
    n_given += len(new) if suite.one_at_a_time and n_given >= len(known) - 1 else 0
    seen = _spread(retained, n_given)
    return Selection(
        scale=f"{label} to {own_anchors}" if own_anchors else label,
        erased=erased,
        anchors=anchors,
        seen=seen,
        heldout=tuple(name for name in retained if name not in seen),
        synonyms=tuple(word for name in erased for word in world.concept_lists.synonyms.get(name, ())),
        extra_retain=tuple(
            name
            for name in _without(erased, world.concept_lists.extra_retain.get(suite.kind, ()))
            if name not in retained
        ),
        new=new,
        own_anchors=own_anchors,
    )


def _retained(suite: Suite, world: World, erased: tuple[str, ...]) -> tuple[str, ...]:
    """The names that have to stay; where the world has no such list of the kind, those not erased this time."""
    if not any(group.startswith("retain-") for group in suite.groups):
        return ()
    names = world.concept_lists.lists.get((suite.kind, "retain"), ()) or world.concept_lists.names(suite.kind, "erase")
    other_words = {concept_key(word): name for name in names for word in world.concept_lists.synonyms.get(name, ())}
    meant = {other_words[key] for name in erased if (key := concept_key(name)) in other_words}
    return tuple(name for name in _without(erased, names) if name not in meant)


def _without(erased: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    keys = {concept_key(name) for name in erased}
    return tuple(name for name in names if concept_key(name) not in keys)


def _spread(names: tuple[str, ...], count: int) -> tuple[str, ...]:
    """`count` of the names, spread evenly, so that prefixes of the list hold both kinds in the same proportion."""
    if not names or count >= len(names):
        return names
    return tuple(
        name for at, name in enumerate(names) if -(-(at + 1) * count // len(names)) > -(-at * count // len(names))
    )
