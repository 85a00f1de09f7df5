"""How often a method erased before its metrics were taken, and so which luck its intervals hold."""

from __future__ import annotations

from collections.abc import Sequence

from erasebench.board.groups import Group
from erasebench.results.record import UNEDITED

HOW_TO_READ = (
    "**n erasings**: the method erased under n seeds; the value is the mean, **SD** is the standard deviation "
    "over the seeds, and the interval covers variation between prompts and between training runs. **same under every "
    "seed**: all erasings gave the same edit, so training does not vary. See docs/statistics.md."
)


def one_erasing(group: Group) -> str:
    """Which edited models of the group erased once, and what their intervals do not hold; '' where there are none."""
    edited = [each for each in zip(group.labels, group.records, strict=True) if each[1].method != UNEDITED]
    labels = [label for label, record in edited if not record.repeats]
    if not labels:
        return ""
    whose = " each" if len(labels) == len(edited) else f": {', '.join(labels)}"
    return f"One erasing{whose}. Intervals cover variation between prompts, not between training runs (--repeats 3)."


def former_intervals(group: Group) -> str:
    """Which records of the group hold intervals by the former rule, and how those differ; '' where none does."""
    labelled = list(zip(group.labels, group.records, strict=True))
    former = [label for label, record in labelled if record.intervals == "bootstrap"]
    if not former:
        return ""
    whose = "All rows have" if len(former) == len(labelled) else f"{', '.join(former)}:"
    return f"{whose} intervals by the former rule, a bootstrap, which is too narrow for fewer than about 25 prompts."


def makes_repeats(tables: Sequence[Group]) -> bool:
    """Whether any record of the tables has several erasings."""
    return any(record.repeats for group in tables for record in group.records)
