"""A table that fits a terminal of 80 columns: what ranks the methods and the first metrics beside it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from textwrap import fill

from tabulate import tabulate

from erasebench.api.value import MetricValue
from erasebench.board.cells import interval_text
from erasebench.board.erasings import one_erasing
from erasebench.board.groups import Group, groups
from erasebench.board.markup import Markdown, escaped, one_line
from erasebench.board.newest import shown
from erasebench.board.no_intervals import no_intervals
from erasebench.board.tables import markdown_table
from erasebench.metrics.columns import Column
from erasebench.results.record import Record

WIDTH = 80
_METHOD = 28
_GAP = 2
_INCOMPLETE = "*"
INCOMPLETE = f"{_INCOMPLETE} some of its images could not be scored; the board says how many."


def terminal_table(records: Iterable[Record], yours: Collection[str] = ()) -> str:
    """The finished records as text at most 80 characters wide: a table for each group, a line for each method.

    yours: ids of the records of this run: they come first in their tables, marked so, and other tables are left out.
    """
    done = [record for record in shown(records, yours=yours) if record.status == "done"]
    tables = [group for group in groups(done, yours) if not yours or _has(group, yours)]
    return "\n\n".join(_text(group, yours) for group in tables)


def short_section(group: Group, yours: Collection[str]) -> str:
    """The same table as markdown."""
    rows, columns = _rows(group, yours), _columns(group)
    headers = ["method", *(column.heading for column in columns)]
    body = [[escaped(label), *(Markdown(_cell(record, column)) for column in columns)] for label, record in rows]
    notes = [escaped(INCOMPLETE)] if any(_INCOMPLETE in cell for row in body for cell in row[1:]) else []
    return "\n\n".join([markdown_table(headers, body, left=1), *notes])


def _has(group: Group, yours: Collection[str]) -> bool:
    return any(record.id in yours for record in group.records)


def _text(group: Group, yours: Collection[str]) -> str:
    rows, columns = _rows(group, yours), _columns(group)
    cells = [[_cut(label), *(_cell(record, column) for column in columns)] for label, record in rows]
    headers = ["", *(one_line(column.heading) for column in columns)]
    table = tabulate(cells, headers=headers, tablefmt="simple", disable_numparse=True)
    title = fill(one_line(f"{group.first.suite} on {group.first.world}: {group.title}"), WIDTH)
    note = [INCOMPLETE] if any(_INCOMPLETE in cell for row in cells for cell in row[1:]) else []
    notes = [_order(group, yours, columns), *no_intervals(group, columns), one_erasing(group)]
    return "\n".join([title, "", table, *note, *(fill(one_line(line), WIDTH) for line in notes if line)])


def _rows(group: Group, yours: Collection[str]) -> list[tuple[str, Record]]:
    rows = list(zip(group.labels, group.records, strict=True))
    return sorted(rows, key=lambda row: row[1].id not in yours)


def _order(group: Group, yours: Collection[str], columns: Collection[Column]) -> str:
    """What the rows are ranked by, and how many of the metrics are not shown here."""
    hidden = len(group.columns) - len(columns)
    first = "after yours and the unedited model" if yours else "after the unedited model"
    order = f"Ranked by {group.first.table.primary_column.heading} {first}." if len(group.records) > 1 else ""
    more = f"The board has {hidden} more column{'s' * (hidden != 1)}." if hidden else ""
    return " ".join(filter(None, [order, more]))


def _columns(group: Group) -> list[Column]:
    """The primary metric, then the suite's metrics in their order, as many as fit."""
    primary_metric = group.first.table.primary_metric
    ordered = sorted(group.columns, key=lambda column: column.key != primary_metric)
    left = WIDTH - max(len(_cut(label)) for label in group.labels)
    taken: list[Column] = []
    for column in ordered:
        cells = [_cell(record, column) for record in group.records]
        left -= _GAP + max(map(len, [one_line(column.heading), *cells]))
        if left < 0 and taken:
            break
        taken.append(column)
    return taken


def _cell(record: Record, column: Column) -> str:
    metric: MetricValue | None = record.metrics.get(column.key)
    if metric is None:
        return "-"
    if metric.value is None:
        return "unscored"
    return interval_text(metric, column) + _INCOMPLETE * (metric.n_scored != metric.n_expected)


def _cut(label: str) -> str:
    text = one_line(label)
    return text if len(text) <= _METHOD else f"{text[: _METHOD - 3]}..."
