"""Read a prompt table: ours or one of the reference's dialects, with every mistake named by file, line and column."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from erasebench.errors import UserError
from erasebench.prompts.dialects import Dialect, dialect_of
from erasebench.prompts.line import Line
from erasebench.prompts.table import PromptRow, PromptTable


class ReadLine(NamedTuple):
    """A row of a table and the line it was read from, whose other columns no row keeps."""

    row: PromptRow
    line: Line


def read_csv(path: Path, *, repeats: bool = False) -> PromptTable:
    """The table in `path`, in our dialect or one of the reference's (erasebench.prompts.dialects tells them apart).

    In ours `row` and `concept` may be left out, `group` too ('general'). UserError with file, line, column and value
    for a missing or unknown column, an unknown group, an empty prompt, a seed that is no integer in 0..2^63-1, a named
    group without its concept, or (unless `repeats`; published tables do repeat themselves) a row that is there twice.
    """
    return PromptTable(tuple(read.row for read in read_lines(path, repeats=repeats)))


def read_lines(path: Path, *, repeats: bool = False) -> tuple[ReadLine, ...]:
    """The rows of `read_csv`, in order, each with its line. UserError as `read_csv`."""
    try:
        handle = path.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise UserError(f"The prompt table {path} cannot be read: {error.strerror}.", "Give a CSV file.") from error
    with handle:
        try:
            reader = csv.DictReader(handle, strict=True)
            dialect = dialect_of(path, tuple(reader.fieldnames or ()))
            return tuple(_rows(path, reader, dialect, repeats=repeats or not dialect.ours))
        except (UnicodeDecodeError, csv.Error) as error:
            raise UserError(f"{path} is no CSV in UTF-8: {error}.", "Save the table as CSV in UTF-8.") from error


def _rows(path: Path, reader: csv.DictReader[str], dialect: Dialect, *, repeats: bool) -> Iterator[ReadLine]:
    columns = len(reader.fieldnames or ())
    first_line: dict[PromptRow, int] = {}
    for at, record in enumerate(reader):
        number = reader.line_num
        if None in record or None in record.values():
            what = f"{path}, line {number}: {'more' if None in record else 'fewer'} fields than the {columns} columns."
            raise UserError(what, "Put fields that hold a comma in double quotes.")
        line = Line(path, number, record)
        row = dialect.row(line, at)
        other = number if repeats else first_line.setdefault(row._replace(row=0), number)
        if other != number:
            what = f"{path}, line {number}: the same row as line {other} (prompt '{row.prompt}', seed {row.seed})."
            raise UserError(what, "Remove one of them, or give it another seed.")
        yield ReadLine(row, line)
