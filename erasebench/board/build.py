"""Rebuild a board's folder from its records."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from pathlib import Path

from erasebench.board.html import html_page
from erasebench.board.markdown import page
from erasebench.board.markup import one_line
from erasebench.board.newest import written_at
from erasebench.board.pairs import misfit
from erasebench.board.remembered import differences
from erasebench.console.scrubbing import scrubbed
from erasebench.errors import UserError
from erasebench.files.atomic import is_temporary, write_text
from erasebench.results.record import Record
from erasebench.results.record_file import HINT

log = logging.getLogger(__name__)


def build(out: Path, yours: Collection[str] = (), *, version_of: Callable[[str], str | None] | None = None) -> Path:
    """Write `out`/README.md from `out`/results/*.json and return its path; the same records give the same bytes.

    `out`/index.html shows the same in a browser. yours: ids of the records of the run that has just ended: they come
    first and are marked so. version_of: today's version of a method by its name (None: not known): records of an
    earlier one are marked.

    Contact sheets lie beside as `out`/sheets/<record id>.png and are linked where there is one. A record that cannot be
    read is named on the page and in the log, and its file left alone. UserError where there is no record file at all.
    """
    records, unreadable = read_records(out / "results")
    for what in unreadable.values():
        log.warning("%s", one_line(what))
    sheets = {record.id for record in records if sheet_path(out, record).is_file()}
    readme = out / "README.md"
    written = written_at(out / "results", records)
    versions = {} if version_of is None else {name: version_of(name) for name in {r.method for r in records}}
    known = {name: version for name, version in versions.items() if version is not None}
    markdown = scrubbed(page(records, unreadable, sheets, written=written, yours=yours, versions=known))
    differences().keep()
    write_text(readme, markdown)
    write_text(out / "index.html", html_page(markdown))
    return readme


def read_records(folder: Path) -> tuple[list[Record], dict[str, str]]:
    """The records of a folder by file name, and for each file that holds none (name ->) what is wrong with it."""
    paths = sorted(path for path in folder.glob("*.json") if not is_temporary(path))
    if not paths:
        raise UserError(
            f"There is no record in {folder}.",
            "Make one first: erasebench run --method mace --suite celebrity",
        )
    records: dict[str, Record] = {}
    unreadable: dict[str, str] = {}
    for path in paths:
        try:
            record = Record.read(path)
        except UserError as error:
            unreadable[path.name] = f"{error.what} {error.hint}".replace(f"{folder}/", "")
            continue
        if path.stem != record.id:
            unreadable[path.name] = f"{path.name} contains the record {record.id}. Rename it to {record.id}.json."
        elif record.pairing is not None and (wrong := misfit(record.pairing)):
            unreadable[path.name] = f"{path.name} is not a valid record: pairing: {wrong}. {HINT}"
        else:
            records[record.id] = record
    return list(records.values()), unreadable


def sheet_path(out: Path, record: Record) -> Path:
    """Where the contact sheet of a record belongs."""
    return out / "sheets" / f"{record.id}.png"
