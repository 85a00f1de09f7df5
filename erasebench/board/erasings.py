"""How often a method erased before its metrics were taken, and so which luck its intervals hold."""

from __future__ import annotations

from collections.abc import Sequence

from erasebench.board.groups import Group
from erasebench.results.record import UNEDITED

HOW_TO_READ = (
    "**n erasings**: the method erased under n seeds of its own; shown is the mean, **SD** is the standard deviation "
    "over the seeds, and the interval holds the luck of prompts and of training. **same under every seed**: all "
    "erasings gave the same edit, so there is no luck of training. See docs/statistics.md."
)


def one_erasing(group: Group) -> str:
    """Which edited models of the group erased once, and what their intervals do not hold; '' where there are none."""
    edited = [each for each in zip(group.labels, group.records, strict=True) if each[1].method != UNEDITED]
    labels = [label for label, record in edited if not record.repeats]
    if not labels:
        return ""
    whose = " each" if len(labels) == len(edited) else f": {', '.join(labels)}"
    return f"One erasing{whose}. Intervals hold the luck of the prompts, not of training (--repeats 3)."


def former_intervals(group: Group) -> str:
    """Which records of the group hold intervals by the former rule, and how those differ; '' where none does."""
    labelled = list(zip(group.labels, group.records, strict=True))
    former = [label for label, record in labelled if record.intervals == "bootstrap"]
    if not former:
        return ""
    whose = "All rows hold" if len(former) == len(labelled) else f"{', '.join(former)}:"
    return f"{whose} intervals by the former rule, a bootstrap: too narrow where prompts are few (below some 25)."


def makes_repeats(tables: Sequence[Group]) -> bool:
    """Whether any record of the tables has several erasings."""
    return any(record.repeats for group in tables for record in group.records)
