"""The rows of a prompt table, and how they are written."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from erasebench.api.groups import GROUPS, Group
from erasebench.files.atomic import atomic_write
from erasebench.files.csv_cells import safe_cell
from erasebench.identity import digest

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("row", "group", "concept", "prompt", "seed")
OWN = ("guidance", "width", "height")
"""Columns of rows that bring settings of their own; empty: as the world samples."""
MAX_SEED = 2**63 - 1


class PromptRow(NamedTuple):
    """One image to be made: its place in the table, its group, the name it is about ('' for none), prompt and seed.

    `guidance`, `width` and `height` (pixels) are the row's own; None: as the world samples.
    """

    row: int
    group: Group
    concept: str
    prompt: str
    seed: int
    guidance: float | None = None
    width: int | None = None
    height: int | None = None

    @property
    def own(self) -> dict[str, Any]:
        """The settings that the row brings, by name; {} for a row that is sampled as the world samples."""
        return {name: value for name in OWN if (value := getattr(self, name)) is not None}


@dataclass(frozen=True)
class PromptTable:
    """The rows of a suite in a world, in the order in which they are sampled."""

    rows: tuple[PromptRow, ...]

    @cached_property
    def digest(self) -> str:
        """Of every row: two tables with equal digests ask for the same images."""
        return digest([list(row) for row in self.rows])

    @cached_property
    def has_own(self) -> bool:
        """Whether any row brings settings of its own."""
        return any(row.own for row in self.rows)

    @property
    def columns(self) -> tuple[str, ...]:
        """COLUMNS, and OWN where any row has any."""
        return COLUMNS + OWN * self.has_own

    def values(self, row: PromptRow) -> tuple[Any, ...]:
        """A row's values under `columns`, '' for none."""
        return tuple("" if value is None else value for value in row[: len(self.columns)])

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

    def alike(self) -> PromptTable:
        """The same rows without settings of their own: all are sampled as the world samples."""
        return PromptTable(tuple(row._replace(guidance=None, width=None, height=None) for row in self.rows))

    def frame(self) -> pd.DataFrame:
        """As a pandas frame with COLUMNS, indexed by row number."""
        import pandas as pd

        frame = pd.DataFrame([row[: len(COLUMNS)] for row in self.rows], columns=list(COLUMNS))
        return frame.astype({"row": "int64", "seed": "int64"}).set_index("row", drop=False).rename_axis(None)

    def write_csv(self, path: Path) -> None:
        """Write the table in our dialect; byte for byte the same for the same rows."""
        with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as handle:
            writer = csv.writer(handle, lineterminator="\n")
            writer.writerow(self.columns)
            writer.writerows(map(safe_cell, self.values(row)) for row in self.rows)
