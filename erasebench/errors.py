"""The one error that a user may expect, and the suggestion that goes with a mistyped name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake that a user can mend: `what` names the thing and its value, `mend` says what to do.

    Printed as those two lines, never as a traceback.
    """

    def __init__(self, what: str, mend: str) -> None:
        super().__init__(what, mend)
        self.what = what
        self.mend = mend

    def __str__(self) -> str:
        return f"{self.what}\n{self.mend}"


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """ "Did you mean 'mace'? Available: mace, original." for a name that is not among `names`."""
    known = sorted(names)
    lowered = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.5)
    suggestion = f"Did you mean '{lowered[close[0]]}'? " if close else ""
    shown = ", ".join(known[:20]) + (f" and {len(known) - 20} more" if len(known) > 20 else "")
    return f"{suggestion}Available: {shown or 'none'}."
