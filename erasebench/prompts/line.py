"""One line of a table: its fields as what they should be, or an error that names file, line, column and value."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from erasebench.errors import UserError
from erasebench.prompts.table import MAX_SEED

_WHOLE = re.compile(r"([+-]?[0-9]{1,20})(\.0*)?")
_SCIENTIFIC = re.compile(r"[+-]?[0-9]+([.,][0-9]*)?[eE][+-]?[0-9]+")
LARGEST_SIDE = 4096
SIDE_STEP = 8
"""The autoencoder of every Stable Diffusion halves an image three times."""


@dataclass(frozen=True)
class Line:
    """A record of a CSV file and where it stands."""

    path: Path
    number: int
    record: dict[str, str]
    written: Mapping[str, str] = field(default_factory=dict)
    """The columns' names as the table writes them, where they differ from the record's."""

    def wrong(self, column: str, problem: str, hint: str) -> UserError:
        """The error for one field."""
        name, value = self.written.get(column, column), self.record.get(column, "")
        return UserError(f"{self.path}, line {self.number}, column '{name}', value '{value}': {problem}.", hint)

    def prompt(self, column: str = "prompt", *, blank: bool = False) -> str:
        """The prompt as it stands, blanks at its ends included: they change tokens in some tokenizers.

        `blank`: one without any text is '' and no mistake.
        """
        if blank and not self.record[column].strip():
            return ""
        if not self.record[column].strip():
            raise self.wrong(column, "the prompt is empty", "Write a prompt, or remove the line.")
        return self.record[column]

    def seed(self, column: str) -> int:
        """A whole number in 0..2^63-1; '7.0', as spreadsheets and pandas write it, is 7."""
        seed = whole_number(self.record[column])
        if seed is None and _SCIENTIFIC.fullmatch(self.record[column].strip()):
            problem = "a number in scientific notation, which loses the last digits"
            raise self.wrong(column, problem, "Save the table with its seeds as whole numbers.")
        if seed is None or not 0 <= seed <= MAX_SEED:
            raise self.wrong(column, "not an integer from 0 to 2^63-1", "Give each row a whole number as its seed.")
        return seed

    def row_number(self, column: str, otherwise: int) -> int:
        """The number of the row; `otherwise` where the column is absent."""
        if column not in self.record:
            return otherwise
        number = whole_number(self.record[column])
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
            raise self.wrong(column, "no guidance scale", "Give a number that is 0 or more, or leave it empty.")
        return value

    def side(self, column: str) -> int | None:
        """Pixels of one side, a multiple of 8; None where the field is empty or absent."""
        if not self.record.get(column, "").strip():
            return None
        pixels = whole_number(self.record[column])
        if pixels is None or not 0 < pixels <= LARGEST_SIDE or pixels % SIDE_STEP:
            problem = f"not a multiple of {SIDE_STEP} from {SIDE_STEP} to {LARGEST_SIDE}"
            raise self.wrong(column, problem, "Give the side length in pixels, or leave it empty.")
        return pixels


def whole_number(text: str) -> int | None:
    """The whole number that a field holds ('7', '7.0'); None for any other text."""
    found = _WHOLE.fullmatch(text.strip())
    return int(found[1]) if found else None
