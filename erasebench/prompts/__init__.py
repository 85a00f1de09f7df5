"""Prompt tables: one row per image to be made. Our one CSV dialect is documented in prompts_csv/README.md."""

from __future__ import annotations

from erasebench.api.groups import GROUPS, Group
from erasebench.prompts.build import build_table, sets_of
from erasebench.prompts.reading import read_csv
from erasebench.prompts.table import COLUMNS, MAX_SEED, OWN, PromptRow, PromptTable

__all__ = [
    "COLUMNS",
    "GROUPS",
    "MAX_SEED",
    "OWN",
    "Group",
    "PromptRow",
    "PromptTable",
    "build_table",
    "read_csv",
    "sets_of",
]
