"""The tables of the board's page."""

from __future__ import annotations

from collections.abc import Sequence

from tabulate import tabulate

from erasebench.board.cells import metric_rows
from erasebench.board.costs import cost_columns
from erasebench.board.groups import Group
from erasebench.board.markup import Markdown, escaped
from erasebench.board.pairs import difference_cells, difference_heading
from erasebench.results.record import UNEDITED, Record


def markdown_table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, left: int) -> str:
    """A GitHub table whose first `left` columns are aligned left, the others right.

    Headings and cells that are not `Markdown` are shown as the text that they are.
    """
    align = ["left"] * left + ["right"] * (len(headers) - left)
    headers, *cells = [[_inert(cell) for cell in row] for row in (headers, *rows)]
    return tabulate(
        cells,
        headers=headers,
        tablefmt="pipe",
        colalign=align,
        disable_numparse=True,
    )


def measured_table(group: Group) -> str:
    """A group's table: method, concepts, the suite's metrics (bold where clearly best), what the method cost.

    After the primary metric stands its difference from the best method's, where pairs of records can be compared.
    """
    columns = [*metric_columns(group), *cost_columns(group)]
    headers = ["method", "concepts", *(heading for heading, _ in columns)]
    by_record = zip(*(cells for _, cells in columns), strict=True)
    rows = [
        [label, _concepts(record), *cells]
        for label, record, cells in zip(group.labels, group.records, by_record, strict=True)
    ]
    return markdown_table(headers, rows, left=1)


def metric_columns(group: Group) -> list[tuple[str, Sequence[str]]]:
    """A group's columns, a heading and a cell for each record: the suite's metrics, the difference from the best."""
    rows = metric_rows(group)
    differences = difference_cells(group)
    columns: list[tuple[str, Sequence[str]]] = []
    for index, column in enumerate(group.columns):
        columns.append((column.heading, [row[index] for row in rows]))
        if column.key == group.first.table.primary_metric and differences is not None:
            columns.append((difference_heading(group), differences))
    return columns


def _inert(cell: str) -> str:
    return cell if isinstance(cell, Markdown) else escaped(cell)


def _concepts(record: Record) -> str:
    return "none" if record.method == UNEDITED else f"{len(record.concepts):,}"
