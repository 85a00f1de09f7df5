"""What methods, worlds, suites and recipes may be called: the names become parts of files, tables and pages."""

from __future__ import annotations

import re

from erasebench.errors import UserError

NAME = r"^[A-Za-z0-9][A-Za-z0-9 ._+-]*$"
LONGEST_NAME = 80
LABEL = re.compile(r"^[^\W_][\w .+-]{0,47}$")
"""What a row of the board may be called in place of its method's name: safe in a table and in a file's name."""


def check_name(noun: str, name: str) -> None:
    """UserError for the name of a `noun` ('method', 'world', 'recipe') that a record could not hold."""
    if len(name) > LONGEST_NAME or not re.fullmatch(NAME, name):
        shown = ascii(name) if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]!a}..."
        raise UserError(
            f"The {noun} is called {shown}.",
            f"Use up to {LONGEST_NAME} letters, digits, spaces and . _ + -, beginning with a letter or digit.",
        )
