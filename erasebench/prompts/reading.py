"""Read a prompt table: ours or one of the field's dialects, with every mistake named by file, line and column."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import NamedTuple

from erasebench.errors import UserError
from erasebench.files.csv_cells import original_cell
from erasebench.prompts.cells import Table, read_table
from erasebench.prompts.dialects import CASE, ROW_IDS, Dialect, dialect_of
from erasebench.prompts.line import Line, whole_number
from erasebench.prompts.table import PromptRow, PromptTable

log = logging.getLogger(__name__)


class ReadLine(NamedTuple):
    """A row of a table and the line it was read from, whose other columns no row keeps."""

    row: PromptRow
    line: Line


def read_csv(path: Path, *, repeats: bool = False, blanks: bool = False, first_seed: int | None = None) -> PromptTable:
    """The table in `path`, in our dialect or one of the field's (erasebench.prompts.dialects finds the columns).

    `prompt` and a seed are enough; `first_seed` gives a table without seeds `first_seed`, `first_seed` + 1 and so on.
    UserError with file, line, column and value for a missing or misspelt column, an unknown group, an empty prompt
    (unless `blanks`, or the table is I2P's, whose copies have one), a seed that is no integer in 0..2^63-1, a named
    group without its concept, a row number that two rows have, or (unless `repeats`; published tables do repeat
    themselves) a row that is there twice.
    """
    read = read_lines(path, repeats=repeats, blanks=blanks, first_seed=first_seed)
    return PromptTable(tuple(each.row for each in read))


def read_lines(
    path: Path, *, repeats: bool = False, blanks: bool = False, first_seed: int | None = None
) -> tuple[ReadLine, ...]:
    """The rows of `read_csv`, in order, each with its line, whose record has the columns' names in small letters.

    The number that images are named by is `case_number`, whatever the table calls it. UserError as `read_csv`.
    """
    table = read_table(path)
    records = [record for _, record in table.records]
    dialect = dialect_of(path, table.columns, records, first_seed, blanks=blanks)
    written = dict(zip(table.columns, table.written, strict=True))
    case = _case_column(table)
    read: list[ReadLine] = []
    for at, (number, record) in enumerate(table.records):
        fields = {name: original_cell(text) for name, text in record.items()} if dialect.ours else record
        line = Line(path, number, fields if case is None else {**fields, CASE: fields[case]}, written)
        read.append(ReadLine(dialect.row(line, at), line))
    _check_numbers(read)
    if not repeats and dialect.ours:
        _check_repeats(path, read)
    _say_blanks(path, dialect, read)
    return tuple(read)


def _case_column(table: Table) -> str | None:
    """The column of the number that images are named by; None where there is none, or it is `case_number` itself.

    An id that is not a whole number in every row is something else, such as a file's name.
    """
    column = next((name for name in ROW_IDS if name in table.columns), CASE)
    whole = all(whole_number(record[column]) is not None for _, record in table.records) if column != CASE else False
    return column if whole else None


def _check_numbers(read: list[ReadLine]) -> None:
    lines: dict[int, int] = {}
    for row, line in read:
        if (other := lines.setdefault(row.row, line.number)) != line.number:
            problem = f"line {other} has the same row number"
            raise line.wrong("row", problem, "Number the rows 0, 1, 2 ..., or leave the column out.")


def _check_repeats(path: Path, read: list[ReadLine]) -> None:
    lines: dict[PromptRow, int] = {}
    for row, line in read:
        if (other := lines.setdefault(row._replace(row=0), line.number)) != line.number:
            what = f"{path}, line {line.number}: the same row as line {other} (prompt '{row.prompt}', seed {row.seed})."
            raise UserError(what, "Remove one of them, or give it another seed.")


def _say_blanks(path: Path, dialect: Dialect, read: list[ReadLine]) -> None:
    # What the file says is sampled: which of its rows had the word is not known for every copy.
    lines = [line.number for row, line in read if not row.prompt.strip()]
    if lines and dialect.i2p:
        rows = "1 row has no prompt" if len(lines) == 1 else f"{len(lines)} rows have no prompt"
        log.warning(
            "%s: %s (line %d), so the empty prompt is sampled. I2P's own table has the word Null in one row, "
            "which pandas reads as a missing value, so copies saved by pandas do not have it.",
            *(path, rows, lines[0]),
        )
