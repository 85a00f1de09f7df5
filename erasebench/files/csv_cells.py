"""Text in the cells of a CSV file that no spreadsheet takes for a formula, and the way back."""

from __future__ import annotations

import re

_FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""How a cell begins that a spreadsheet may run (OWASP, 'CSV Injection'; the last four are the full-width signs), after
any apostrophes."""


def safe_cell(value: object) -> object:
    """A cell as it may be written: text that a spreadsheet would run gets an apostrophe in front; numbers stay.

    `original_cell` takes that one apostrophe away again, so that what was written is what is read.
    """
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def original_cell(text: str) -> str:
    """The text that `safe_cell` was given; other text as it is."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text
