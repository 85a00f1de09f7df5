"""What is said of records that were made with stand-ins, which no board shows."""

from __future__ import annotations

from collections.abc import Iterable

from erasebench.results.record import Record


def with_stand_ins(records: Iterable[Record]) -> str:
    """How many there are and what was a stand-in in them; '' where there are none."""
    found = [record for record in records if record.stand_ins]
    if not found:
        return ""
    parts = ", ".join(sorted({part for record in found for part in record.stand_ins}))
    many = len(found) != 1
    return (
        f"Not shown: {len(found):,} record{'s' * many} made with stand-ins ({parts}): "
        f"{'they show' if many else 'it shows'} that a run works, and {'are no results' if many else 'is no result'}."
    )
