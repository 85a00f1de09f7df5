"""Columns of a suite's table for the metrics that attacks add: the suite's own columns, once more for each attack."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from erasebench.metrics.columns import Column, MetricTable
from erasebench.runner.attack_choice import ChosenAttack

MOST_COLUMNS, LONGEST_KEY, LONGEST_TITLE = 200, 80, 200
"""What a table can hold (erasebench.metrics.columns)."""


def table_under(
    table: MetricTable, attacks: Iterable[ChosenAttack], metrics: Collection[str] | None = None
) -> MetricTable:
    """The table with a column for each of its own under each attack, after them; one that the suite has stays its own.

    `metrics`: the keys that there are; None: not known, so every column is added.
    """
    declared = {column.key for column in table.columns}
    added = [_under(column, attack) for attack in attacks for column in table.columns]
    shown = [
        column
        for column in added
        if column is not None and column.key not in declared and (metrics is None or column.matching(metrics))
    ]
    if not shown:
        return table
    return table.model_copy(update={"columns": (*table.columns, *shown)[: max(MOST_COLUMNS, len(table.columns))]})


def _under(column: Column, attack: ChosenAttack) -> Column | None:
    """A column of the same metric under an attack; None where its key would be too long."""
    key = f"{column.key}{attack.ending}"
    words = {
        "key": key,
        "title": f"{column.title} under {attack.name}"[:LONGEST_TITLE],
        "meaning": f"The same with the prompts of the attack {attack.name}: {column.meaning}",
    }
    return column.model_copy(update=words) if len(key) <= LONGEST_KEY else None
