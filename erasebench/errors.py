"""The one error that a user may expect, and the suggestion that goes with a mistyped name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable


class UserError(Exception):
    """A mistake that a user can correct: `what` names the thing and its value, `hint` says what to do.

    Printed as those two lines, never as a traceback.
    """

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what, hint)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what}\n{self.hint}"


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """ "Did you mean 'mace'? Available: mace, original." for a name that is not among `names`.

    A name is offered only where it is near: the rest of the line lists what there is anyway.
    """
    known = sorted(names)
    suggestion = f"Did you mean '{close}'? " if (close := nearest(name, known)) is not None else ""
    shown = ", ".join(known[:20]) + (f" and {len(known) - 20} more" if len(known) > 20 else "")
    return f"{suggestion}Available: {shown or 'none'}."


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The one of `names` that `name` is likely a slip of; None where none is near.

    Near are the same letters in another order behind the same first one ('uec', 'uce'), a beginning of three letters
    or more, and names whose words are alike one by one: 'Tom Hank' is near 'Tom Hanks', 'gpu' is not near 'cpu'.
    """
    rated = [(_likeness(name.casefold(), candidate.casefold()), candidate) for candidate in names]
    best = max(rated, default=(0.0, ""), key=lambda pair: pair[0])
    return best[1] if best[0] > 0 else None


def _likeness(one: str, other: str) -> float:
    """From 0 (not near) to 1."""
    ratio = _ratio(one, other)
    if one[:1] == other[:1] and sorted(one) == sorted(other):
        return max(ratio, 0.9)
    words, others = re.split(r"[\W_]+", one), re.split(r"[\W_]+", other)
    if len(words) > 1 and len(words) == len(others):
        alike = all(_ratio(*pair) >= 0.6 for pair in zip(words, others, strict=True))
        return ratio if alike and ratio >= 0.75 else 0.0
    if ratio >= 0.75:
        return ratio
    return 0.5 if len(one) >= 3 and other.startswith(one) else 0.0


def _ratio(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()
