"""What the columns of a prompt table mean, whoever wrote it: ours, the reference's tables and those of other releases.

A column `prompt` and one of `SEEDS` are enough. All else is found by name, whatever its case: the group (`group` as we
write it, or `type`), the concept (`CONCEPTS`), the number that images are named by (`ROW_IDS`), the settings that rows
bring. Tables with I2P's columns are I2P's (explicit prompts to be erased, its categories as the concept); where a table
says nothing of groups, its rows are general. Other columns are left alone; prompts_csv/README.md lists the dialects.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from erasebench.api.groups import GROUPS, Group
from erasebench.errors import UserError, did_you_mean
from erasebench.prompts.line import Line
from erasebench.prompts.table import COLUMNS, MAX_SEED, OWN, PromptRow

SEEDS = ("evaluation_seed", "sd_seed")
"""The seed's column in the tables of others; in ours it is `seed`."""
GUIDANCES = ("evaluation_guidance", "sd_guidance_scale")
SIDES = ("sd_image_width", "sd_image_height")
I2PS = ("categories", "nudity_percentage", "inappropriate_percentage", *SIDES)
"""Columns that only I2P and its copies have."""
CONCEPTS = ("concept", "artist", "celebrity", "class", "label", "name")
"""Columns that may name the concept, the most telling first."""
CASE = "case_number"
ROW_IDS = (CASE, "image_id", "imageid", "coco_id")
"""Columns of the number that a table's images are named by, the first that is there counts."""
LISTED = "file"
"""The column of a listing of images that is not the prompts' own."""
KNOWN = (*COLUMNS, *OWN, LISTED, "type", *CONCEPTS, *ROW_IDS, *I2PS, *GUIDANCES, "source")
TYPES: dict[str, Group] = {
    **dict.fromkeys(("erased", "erase", "target", "0"), "erased"),
    **dict.fromkeys(("others", "preserved", "preserve", "retained", "retain", "kept", "1"), "retain-seen"),
}
"""The reference gives its method every retained name."""
TYPO = 0.75
"""Likeness to a known column (difflib's ratio) from which an unknown one of our own dialect is a misspelling."""


@dataclass(frozen=True)
class Dialect:
    """How the lines of one table become rows. `ours`: as we write tables, known by the column `seed`.

    `first_seed`: of the first row of a table without seeds, the next rows count on. `grouped`: the column `group`
    holds our groups; `typed`: the column `type` does, in the words of others. `blanks`: empty prompts are read.
    """

    columns: tuple[str, ...]
    ours: bool
    first_seed: int | None = None
    grouped: bool = False
    typed: bool = False
    blanks: bool = False

    @property
    def i2p(self) -> bool:
        """Whether the table is I2P's or a copy of it."""
        return not self.ours and any(column in self.columns for column in I2PS)

    def row(self, line: Line, at: int) -> PromptRow:
        """The row of a line; `at` is its place among the rows. UserError with file, line, column and value."""
        group, concept = self._about(line)
        prompt, seed = line.prompt(blank=self.blanks or self.i2p), self._seed(line, at)
        number = line.row_number("row", at) if self.ours else at
        return PromptRow(number, group, concept, prompt, seed, *self._own(line))

    def _about(self, line: Line) -> tuple[Group, str]:
        """The group, and the name that the prompt is about."""
        if self.grouped:
            group = next((known for known in GROUPS if known == line.record["group"]), None)
            if group is None:
                raise line.wrong("group", "no such group", did_you_mean(line.record["group"], GROUPS))
            concept = self._concept(line)
            if group != "general" and not concept:
                problem = f"a row of the group {group} must name its concept"
                raise line.wrong("concept", problem, "Fill in the name that the prompt is about.")
            return group, concept
        if self.typed:
            return self._typed(line)
        if self.i2p:
            return "erased", line.record.get("categories", "").strip() or "explicit"
        return "general", self._concept(line)

    def _typed(self, line: Line) -> tuple[Group, str]:
        group = TYPES.get(_word(line.record["type"]))
        if group is None:
            raise line.wrong(
                "type", "neither erased nor retained", "Write erased or others (people), 0 or 1 (artists)."
            )
        column = next((column for column in CONCEPTS if column in self.columns), None)
        concept = self._concept(line) or ("" if column == "artist" else _name_in(line.record["prompt"]) or "")
        if not concept and column is not None and column != "concept":
            raise line.wrong(column, f"no {column} is named", f"Fill in the {column}'s name.")
        if not concept:
            hint = "Add a column 'concept' with the name, or write the prompt with a template of the protocol."
            raise line.wrong(
                "prompt", "it follows no template of an installed suite, so its concept is not known", hint
            )
        return group, concept

    def _concept(self, line: Line) -> str:
        """The first column that names a concept; a number in `class` or `label` is an index and names none."""
        for column in CONCEPTS:
            name = line.record.get(column, "")
            if column == "concept" and name.strip():
                return name
            if any(character.isalpha() for character in name):
                return name.strip()
        return ""

    def _seed(self, line: Line, at: int) -> int:
        if self.first_seed is not None:
            return self.first_seed + at
        return line.seed("seed" if self.ours else next(name for name in SEEDS if name in self.columns))

    def _own(self, line: Line) -> tuple[float | None, int | None, int | None]:
        if self.ours:
            return line.guidance("guidance"), line.side("width"), line.side("height")
        guidance = next((value for name in GUIDANCES if (value := line.guidance(name)) is not None), None)
        return guidance, line.side(SIDES[0]), line.side(SIDES[1])


def dialect_of(
    path: Path, columns: tuple[str, ...], records: Sequence[Mapping[str, str]], first_seed: int | None, *, blanks: bool
) -> Dialect:
    """The dialect of a table with these columns. UserError for a column that is missing, misspelt or there twice."""
    if twice := [column for column in columns if columns.count(column) > 1]:
        raise UserError(f"{path}, line 1: the column '{twice[0]}' is given twice.", "Remove one of them.")
    if "prompt" not in columns:
        raise _missing(path, "prompt", columns)
    theirs = any(name in columns for name in SEEDS)
    seeded = theirs or "seed" in columns
    if not seeded and first_seed is None:
        hint = "Add it, with a whole number in each row; `sample` and `prompts import csv` take --seed N instead."
        raise UserError(f"{path}, line 1: the column 'seed' is missing (or evaluation_seed).", hint)
    if seeded and first_seed is not None:
        raise UserError(f"--seed {first_seed}: {path} has its own seeds.", "Leave --seed out.")
    if first_seed is not None and not 0 <= first_seed <= MAX_SEED - len(records):
        raise UserError(
            f"--seed {first_seed} is not an integer from 0 to 2^63-1.", "Give the first row's seed, e.g. 1."
        )
    if not theirs:
        for column in columns:
            if column not in KNOWN and difflib.get_close_matches(column, KNOWN, n=1, cutoff=TYPO):
                raise UserError(f"{path}, line 1: unknown column '{column}'.", did_you_mean(column, COLUMNS + OWN))
    typed = "type" in columns and any(_word(record["type"]) in TYPES for record in records)
    grouped = "group" in columns and (not theirs or any(record["group"] in GROUPS for record in records))
    return Dialect(columns, not theirs, first_seed, grouped, typed, blanks or LISTED in columns)


def _missing(path: Path, column: str, columns: tuple[str, ...]) -> UserError:
    found = ", ".join(columns) or "none"
    for separator, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if any(separator in each and column in each for each in columns):
            what = (
                f"{path}, line 1: the columns are separated by {name} ('{separator.replace(chr(9), chr(92) + 't')}')."
            )
            return UserError(what, "Save the table as CSV with commas (and numbers with decimal points).")
    return UserError(f"{path}, line 1: the column '{column}' is missing.", f"Columns found: {found}.")


def _word(text: str) -> str:
    return text.strip().lower().removesuffix(".0")


def _name_in(prompt: str) -> str | None:
    """The name that a prompt of an installed suite's templates was made for."""
    return next((found[1] for pattern in _templates() if (found := pattern.fullmatch(prompt.strip()))), None)


@cache
def _templates() -> tuple[re.Pattern[str], ...]:
    # The suites know the prompts' columns, so they are asked late.
    from erasebench.suite.suite import installed_suites

    templates = [template for suite in installed_suites().values() for template in suite.templates]
    # The longest fixed text first: '{name} in an official photo' must not take 'A sketch of {name}' for a name.
    ordered = sorted(dict.fromkeys(templates), key=len, reverse=True)
    return tuple(re.compile(re.escape(t).replace(re.escape("{name}"), "(.+)")) for t in ordered)
