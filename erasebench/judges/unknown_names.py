"""Names that a recogniser can never give: every image of them counts as not recognised, just as if they were erased."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from erasebench.judges.recogniser import IdentityJudge

log = logging.getLogger(__name__)

SHOWN = 5
"""Names that the log spells out."""


def warn_of_unknown(judge: object, concepts: Iterable[str], label: str) -> tuple[str, ...]:
    """Say which of `concepts` ('' for none) a face-id judge has no label for, after `label`; returns them all."""
    if not isinstance(judge, IdentityJudge):
        return ()
    asked = [name for name in dict.fromkeys(concepts) if name]
    known = set(judge.recogniser.names)
    unknown = tuple(name for name in asked if name not in known)
    if unknown:
        log.warning(
            "%s: the recogniser has no label for %d of %d names (%s): they count as not recognised, as if erased.",
            *(label, len(unknown), len(asked)),
            ", ".join(unknown[:SHOWN]) + (", ..." if len(unknown) > SHOWN else ""),
        )
    return unknown
