"""What a user names to be erased, and what it is to become: --concepts and --anchor, checked before any work."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from erasebench.api.concepts import checked_name, concept_key, repeated, twice_said
from erasebench.errors import UserError, nearest
from erasebench.identity import digest

log = logging.getLogger(__name__)

_SHOWN = 12
"""Names of the concept lists that a message lists."""


def chosen_names(concepts: Sequence[str], known: Sequence[str], world: str, *, anchored: bool) -> tuple[str, ...]:
    """The concepts, each as the concept lists spell it where the concept lists (`known`) have it.

    `anchored`: the user says what they become, so that they may be any words. UserError for none at all, a name that
    is blank or stands twice, and one that is not of the concept lists and has no anchor.
    """
    if not concepts:
        raise UserError("--concepts is empty.", "Give names as 'First Name,Second Name'.")
    spelt = {concept_key(name): name for name in known}
    chosen = []
    for concept in concepts:
        try:
            plain = " ".join(checked_name(concept).split())
        except ValueError as error:
            raise UserError(f"--concepts: {error}.", "Give names as 'First Name,Second Name'.") from error
        chosen.append(spelt.get(concept_key(plain), plain))
        if chosen[-1] != concept and concept_key(plain) in spelt:
            log.info("--concepts %s: read as '%s', the spelling of the world %s.", concept, chosen[-1], world)
    if twice := repeated(concepts):
        raise UserError(f"--concepts contains a name twice: {twice_said(twice)}.", "Give each name once.")
    for name in chosen:
        if concept_key(name) not in spelt and not anchored:
            raise UserError(f"The world {world} does not know '{name}'.", _way(name, known))
    return tuple(chosen)


def _way(name: str, known: Sequence[str]) -> str:
    near = nearest(name, known)
    suggestion = "" if near is None else f"Did you mean '{near}'? "
    shown = ", ".join(known[:_SHOWN]) + (f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else "")
    return (
        f"{suggestion}To erase any words, give an anchor that replaces them: --concepts '{name}' "
        f"--anchor 'a word', or write a suite file with `sets`. Known: {shown or 'none'}."
    )


def anchors_of(names: Sequence[str], given: Sequence[str] | None) -> tuple[str, ...] | None:
    """The anchor of each name: the one that is given for all, or one each; None where none is given.

    UserError for another number of them.
    """
    if given is None:
        return None
    if len(given) not in (1, len(names)):
        what = f"--anchor gives {len(given)} anchors ({', '.join(given)}) for {len(names)} names."
        raise UserError(what, "Give one for all, or one for each name in the same order, separated by commas.")
    for anchor in given:
        if anchor:
            try:
                checked_name(anchor)
            except ValueError as error:
                raise UserError(f"--anchor: {error}.", "Give words, or '' for nothing at all.") from error
    return tuple(given) * (len(names) if len(given) == 1 else 1)


def marked(anchors: Sequence[str]) -> str:
    """How tables and messages call anchors that are not the suite's: the one of all, else their digest."""
    distinct = set(anchors)
    return (anchors[0] or "nothing") if len(distinct) == 1 else f"anchors {digest(list(anchors))[:6]}"
