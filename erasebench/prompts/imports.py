"""Prompts that are not ours to ship: imported once, checked, and kept by digest in the user's data folder."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from erasebench.api.groups import Group
from erasebench.errors import UserError
from erasebench.files.atomic import write_json, write_text
from erasebench.identity import digest, file_digest
from erasebench.prompts.reading import read_csv
from erasebench.prompts.table import PromptTable

if TYPE_CHECKING:
    from erasebench.api.world import GeneralRow

COMMANDS = {
    "coco": "erasebench prompts import coco --annotations captions_val2014.json --images val2014",
    "i2p": "erasebench prompts import i2p --csv i2p_benchmark.csv",
}
"""How each import of the protocol is made; the files are their publishers' own."""


def data_folder() -> Path:
    """The user's data: $ERASEBENCH_DATA, else $XDG_DATA_HOME/erasebench, else ~/.local/share/erasebench."""
    if chosen := os.environ.get("ERASEBENCH_DATA"):
        return Path(chosen).absolute()
    base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return (base / "erasebench").absolute()


@dataclass(frozen=True)
class Imported:
    """An imported table. `images`: the real image of each row, where they were given; `captions`: those left over."""

    table: PromptTable
    images: tuple[Path, ...]
    captions: tuple[str, ...]
    digest: str

    @property
    def rows(self) -> list[GeneralRow]:
        """Every row, in order."""
        from erasebench.api.world import GeneralRow

        return [
            GeneralRow(row.prompt, row.seed, row.concept, row.guidance, row.width, row.height)
            for row in self.table.rows
        ]

    def of(self, group: Group) -> list[GeneralRow]:
        """The rows of one group; every row of a table that names no groups."""
        own = [row for row, source in zip(self.rows, self.table.rows, strict=True) if source.group == group]
        return own or (self.rows if self.table.groups == ("general",) else [])


def store_import(
    name: str, table: PromptTable, images: Sequence[Path] = (), captions: Sequence[str] = (), source: str = ""
) -> Imported:
    """Keep a table under `name`; the latest one counts, earlier ones stay beside it under their own digests."""
    folder = data_folder() / "prompts" / name
    parts: dict[str, Any] = {"table": table.digest, "images": list(map(str, images)), "captions": list(captions)}
    key = digest(parts)
    rows_file, captions_file = folder / f"{key}.csv", folder / f"{key}.captions.json"
    table.write_csv(rows_file)
    write_json(captions_file, parts["captions"])
    kept = {
        "rows": len(table.rows),
        "source": source,
        "images": parts["images"],
        "sha256": {path.name: file_digest(path) for path in (rows_file, captions_file)},
    }
    write_json(folder / f"{key}.json", kept)
    write_text(folder / "current", f"{key}\n")
    return Imported(table, tuple(images), tuple(captions), key)


def load_import(name: str) -> Imported:
    """The table that was last imported as `name`. UserError with the command where there is none, or it was changed."""
    current = data_folder() / "prompts" / name / "current"
    hint = COMMANDS.get(name, f"erasebench prompts import csv FILE --name {name}")
    if not current.is_file():
        raise UserError(f"The prompts '{name}' have not been imported.", hint)
    return _read(current.parent, current.read_text(encoding="utf-8").strip(), hint)


@lru_cache(maxsize=8)
def _read(folder: Path, key: str, hint: str) -> Imported:
    try:
        kept = json.loads((folder / f"{key}.json").read_text(encoding="utf-8"))
        changed = [name for name, sha256 in kept["sha256"].items() if file_digest(folder / name) != sha256]
        captions = json.loads((folder / f"{key}.captions.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"The import in {folder} cannot be read ({error}).", f"Import it again: {hint}") from error
    if changed:
        raise UserError(f"{folder / changed[0]} was changed after the import.", f"Import it again: {hint}")
    table = read_csv(folder / f"{key}.csv", repeats=True, blanks=True)
    if digest({"table": table.digest, "images": kept["images"], "captions": captions}) != key:
        raise UserError(f"{folder / f'{key}.json'} was changed after the import.", f"Import it again: {hint}")
    return Imported(table, tuple(map(Path, kept["images"])), tuple(captions), key)
