"""One line of a table: its fields as what they should be, or an error that names file, line, column and value."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from erasebench.errors import UserError
from erasebench.prompts.table import MAX_SEED

LARGEST_SIDE = 4096
SIDE_STEP = 8
"""The autoencoder of every Stable Diffusion halves an image three times."""


@dataclass(frozen=True)
class Line:
    """A record of a CSV file and where it stands."""

    path: Path
    number: int
    record: dict[str, str]

    def wrong(self, column: str, problem: str, mend: str) -> UserError:
        """The error for one field."""
        value = self.record.get(column, "")
        return UserError(f"{self.path}, line {self.number}, column '{column}', value '{value}': {problem}.", mend)

    def prompt(self, column: str = "prompt") -> str:
        """The prompt as it stands, blanks at its ends included: they change tokens in some tokenizers."""
        if not self.record[column].strip():
            raise self.wrong(column, "the prompt is empty", "Write a prompt, or remove the line.")
        return self.record[column]

    def seed(self, column: str) -> int:
        """A whole number in 0..2^63-1; '7.0', as spreadsheets and pandas write it, is 7."""
        seed = self._integer(column)
        if seed is None or not 0 <= seed <= MAX_SEED:
            raise self.wrong(column, "not an integer from 0 to 2^63-1", "Give each row a whole number as its seed.")
        return seed

    def row_number(self, column: str, otherwise: int) -> int:
        """The number of the row; `otherwise` where the column is absent."""
        if column not in self.record:
            return otherwise
        number = self._integer(column)
        if number is None or number < 0:
            raise self.wrong(column, "not a row number", "Number the rows 0, 1, 2 ..., or leave the column out.")
        return number

    def guidance(self, column: str) -> float | None:
        """A guidance scale, 0 or more; None where the field is empty or absent."""
        text = self.record.get(column, "").strip()
        if not text:
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and value >= 0):
            raise self.wrong(column, "no guidance scale", "Give a number from 0 up, or leave it empty.")
        return value

    def side(self, column: str) -> int | None:
        """Pixels of one side, a multiple of 8; None where the field is empty or absent."""
        if not self.record.get(column, "").strip():
            return None
        pixels = self._integer(column)
        if pixels is None or not 0 < pixels <= LARGEST_SIDE or pixels % SIDE_STEP:
            problem = f"not a multiple of {SIDE_STEP} from {SIDE_STEP} to {LARGEST_SIDE}"
            raise self.wrong(column, problem, "Give the side in pixels, or leave it empty.")
        return pixels

    def _integer(self, column: str) -> int | None:
        text = self.record[column].strip()
        try:
            return int(text.removesuffix(".0"))
        except ValueError:
            return None
