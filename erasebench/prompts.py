"""Prompt tables: one row per image to be made. Our one CSV dialect is documented in prompts_csv/README.md."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from erasebench.atomic import atomic_write
from erasebench.errors import UserError, did_you_mean
from erasebench.identity import digest

if TYPE_CHECKING:
    import pandas as pd

    from erasebench.suite import Selection, Size, Suite
    from erasebench.world import GeneralRow

Group = Literal["erased", "retained-kept", "retained-unseen", "general"]
GROUPS: tuple[Group, ...] = get_args(Group)
COLUMNS = ("row", "group", "concept", "prompt", "seed")
MAX_SEED = 2**63 - 1


class PromptRow(NamedTuple):
    """One image to be made: its place in the table, its group, the name it is about ('' for none), prompt and seed."""

    row: int
    group: Group
    concept: str
    prompt: str
    seed: int


@dataclass(frozen=True)
class PromptTable:
    """The rows of a suite in a world, in the order in which they are sampled."""

    rows: tuple[PromptRow, ...]

    @cached_property
    def digest(self) -> str:
        """Of every row: two tables with equal digests ask for the same images."""
        return digest([list(row) for row in self.rows])

    @property
    def groups(self) -> tuple[Group, ...]:
        """The groups that have rows, in the protocol's order."""
        present = {row.group for row in self.rows}
        return tuple(group for group in GROUPS if group in present)

    def of_group(self, group: Group) -> PromptTable:
        """The rows of one group, keeping their row numbers."""
        return PromptTable(tuple(row for row in self.rows if row.group == group))

    def limited(self, limit: int) -> PromptTable:
        """The first `limit` rows of each group."""
        return PromptTable(tuple(row for group in self.groups for row in self.of_group(group).rows[:limit]))

    def frame(self) -> pd.DataFrame:
        """As a pandas frame with COLUMNS, indexed by row number."""
        import pandas as pd

        frame = pd.DataFrame([tuple(row) for row in self.rows], columns=list(COLUMNS))
        return frame.astype({"row": "int64", "seed": "int64"}).set_index("row", drop=False).rename_axis(None)

    def write_csv(self, path: Path) -> None:
        """Write the table in our dialect; byte for byte the same for the same rows."""
        with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as handle:
            writer = csv.writer(handle, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows(self.rows)


def build_table(
    suite: Suite, selection: Selection, size: Size, general: Sequence[GeneralRow], first_seed: int = 1
) -> PromptTable:
    """Suite x cast: erased names, retained names (kept, then unseen) and general prompts, each with its own seeds.

    A prompt's n seeds are `first_seed`, `first_seed` + 1 ...: 1..n by the protocol.
    """
    kept, unseen = _measured(selection, size)
    parts = [
        *_cross("erased", selection.erased, suite.templates, first_seed, size.seeds_for(len(selection.erased))),
        *_cross("retained-kept", kept, suite.templates, first_seed, size.retained_seeds),
        *_cross("retained-unseen", unseen, suite.templates, first_seed, size.retained_seeds),
        *(("general", "", row.prompt, row.seed) for row in general[: size.general]),
    ]
    return PromptTable(tuple(PromptRow(row, *part) for row, part in enumerate(parts)))


def _cross(
    group: Group, names: Iterable[str], templates: Sequence[str], first_seed: int, n_seeds: int
) -> Iterable[tuple[Group, str, str, int]]:
    return (
        (group, name, template.replace("{name}", name), seed)
        for name in names
        for template in templates
        for seed in range(first_seed, first_seed + n_seeds)
    )


def _measured(selection: Selection, size: Size) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The retained names that are measured; where one kind runs short, the other makes up the number."""
    total = size.retained_kept + size.retained_unseen
    unseen = selection.unseen[: max(size.retained_unseen, total - len(selection.shown))]
    kept = selection.shown[: total - len(unseen)]
    return kept, unseen[: total - len(kept)]


def read_csv(path: Path) -> PromptTable:
    """Read a table in our dialect; `row` and `concept` may be left out, `group` too ('general').

    UserError with file, line, column and value for a missing or unknown column, an unknown group, an empty prompt,
    a seed that is no integer in 0..2^63-1, a named group without its concept, or a row that is there twice.
    """
    try:
        handle = path.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise UserError(f"The prompt table {path} cannot be read: {error.strerror}.", "Give a CSV file.") from error
    with handle:
        try:
            return PromptTable(tuple(_rows(path, csv.DictReader(handle, strict=True))))
        except (UnicodeDecodeError, csv.Error) as error:
            raise UserError(f"{path} is no CSV in UTF-8: {error}.", "Save the table as CSV in UTF-8.") from error


def _rows(path: Path, reader: csv.DictReader[str]) -> Iterable[PromptRow]:
    columns = reader.fieldnames or []
    for column in ("prompt", "seed"):
        if column not in columns:
            found = ", ".join(columns) or "none"
            raise UserError(f"{path}, line 1: the column '{column}' is missing.", f"Columns found: {found}.")
    for column in columns:
        if column not in COLUMNS:
            raise UserError(f"{path}, line 1: unknown column '{column}'.", did_you_mean(column, COLUMNS))
    first_line: dict[tuple[str, str, str, int], int] = {}
    for at, record in enumerate(reader):
        line = reader.line_num
        if None in record or None in record.values():
            what = (
                f"{path}, line {line}: {'more' if None in record else 'fewer'} fields than the {len(columns)} columns."
            )
            raise UserError(what, "Put fields that hold a comma in double quotes.")
        row = _row(path, line, at, record)
        other = first_line.setdefault(row[1:], line)
        if other != line:
            what = f"{path}, line {line}: the same row as line {other} (prompt '{row.prompt}', seed {row.seed})."
            raise UserError(what, "Remove one of them, or give it another seed.")
        yield row


def _row(path: Path, line: int, at: int, record: dict[str, str]) -> PromptRow:
    def wrong(column: str, problem: str, mend: str) -> UserError:
        return UserError(f"{path}, line {line}, column '{column}', value '{record[column]}': {problem}.", mend)

    group = record.get("group", "general")
    if group not in GROUPS:
        raise wrong("group", "no such group", did_you_mean(group, GROUPS))
    if not record["prompt"].strip():
        raise wrong("prompt", "the prompt is empty", "Write a prompt, or remove the line.")
    seed = _integer(record["seed"])
    if seed is None or not 0 <= seed <= MAX_SEED:
        raise wrong("seed", "not an integer from 0 to 2^63-1", "Give each row a whole number as its seed.")
    number = _integer(record["row"]) if "row" in record else at
    if number is None or number < 0:
        raise wrong("row", "not a row number", "Number the rows 0, 1, 2 ..., or leave the column out.")
    concept = record.get("concept", "")
    if group != "general" and not concept:
        raise UserError(
            f"{path}, line {line}, column 'concept', value '': a row of the group {group} has to name its concept.",
            "Fill in the name that the prompt is about.",
        )
    return PromptRow(number, group, concept, record["prompt"], seed)


def _integer(text: str) -> int | None:
    try:
        return int(text.strip())
    except ValueError:
        return None
