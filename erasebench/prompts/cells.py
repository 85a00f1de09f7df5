"""The lines of a CSV file as records, without what pandas and spreadsheets add around a table."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from erasebench.errors import UserError


class Table(NamedTuple):
    """The columns that have names, as written and as `key` makes them, and each line's number and fields by key."""

    written: tuple[str, ...]
    columns: tuple[str, ...]
    records: list[tuple[int, dict[str, str]]]


def read_table(path: Path) -> Table:
    """The table in a comma-separated file in UTF-8, with or without a byte order mark.

    Left out: an index without a name (pandas writes it first), empty columns at the right, lines without any text.
    UserError for a file that cannot be read, a line with more or fewer fields than the columns, and for text in a
    column without a name.
    """
    try:
        handle = path.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise UserError(f"The prompt table {path} cannot be read: {error.strerror}.", "Give a CSV file.") from error
    with handle:
        try:
            reader = csv.reader(handle, strict=True)
            header = next(_with_text(reader), [])
            named = {at: name.strip() for at, name in enumerate(header) if name.strip() and not _is_index(name)}
            keys = {at: key(name) for at, name in named.items()}
            records = []
            for cells in _with_text(reader):
                _check(path, reader.line_num, cells, header, named)
                records.append((reader.line_num, {keys[at]: cells[at] for at in keys}))
        except (UnicodeDecodeError, csv.Error) as error:
            raise UserError(f"{path} is not valid CSV in UTF-8: {error}.", "Save the table as CSV in UTF-8.") from error
    return Table(tuple(named.values()), tuple(keys.values()), records)


def key(name: str) -> str:
    """A column's name whatever its case and blanks: 'Case Number' and 'case_number' are one."""
    return re.sub("[ -]+", "_", name.lower())


def _is_index(name: str) -> bool:
    # What pandas calls an index that it read back.
    return name.strip().startswith("Unnamed: ")


def _with_text(lines: Iterable[list[str]]) -> Iterator[list[str]]:
    return (cells for cells in lines if any(cell.strip() for cell in cells))


def _check(path: Path, line: int, cells: list[str], header: list[str], named: dict[int, str]) -> None:
    """UserError for a line whose fields do not stand under the columns."""
    if any("\0" in cell for cell in cells):
        raise UserError(f"{path}, line {line}: a field contains a NUL character.", "Save the table as CSV in UTF-8.")
    width = max(named, default=-1) + 1
    if len(cells) < width or any(cell.strip() for cell in cells[len(header) :]):
        many = "fewer" if len(cells) < width else "more"
        what = f"{path}, line {line}: {many} fields than columns ({width})."
        raise UserError(what, "Put fields that contain a comma in double quotes.")
    first = min(named, default=0)
    nameless = [at for at in range(first, len(header)) if at not in named and not _is_index(header[at])]
    if stray := [cells[at] for at in nameless if at < len(cells) and cells[at].strip()]:
        what = f"{path}, line {line}: '{stray[0]}' is in a column without a name."
        raise UserError(what, "Name the column in line 1, or put fields that contain a comma in double quotes.")
