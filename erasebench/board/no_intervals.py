"""Which values of a table stand without an interval, and why."""

from __future__ import annotations

from collections.abc import Iterable

from erasebench.board.groups import Group
from erasebench.metrics.columns import Column


def no_intervals(group: Group, columns: Iterable[Column] | None = None) -> list[str]:
    """A sentence for each column and reason, as plain text; a reason that a whole column shares names no row.

    columns: those to look at; all of the group's where None.
    """
    lines = []
    for column in group.columns if columns is None else columns:
        why: dict[str, list[str]] = {}
        metrics = [record.metrics.get(column.key) for record in group.records]
        valued = sum(metric is not None and metric.value is not None for metric in metrics)
        for label, metric in zip(group.labels, metrics, strict=True):
            if metric is not None and metric.value is not None and not metric.has_interval:
                why.setdefault(str(metric.reason), []).append(label)
        for reason, labels in why.items():
            of = "" if len(labels) == valued else f" of {', '.join(labels)}"
            lines.append(f"{column.title}{of} has no interval: {reason}")
    return lines
