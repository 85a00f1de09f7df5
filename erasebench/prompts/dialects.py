"""The dialects of prompt tables: ours, and those in which the reference's tables are published.

The reference's, told apart by their columns (an unnamed first column is its index; further columns are left alone):

- people:  type (erased | others), prompt, evaluation_seed
- artists: the same and artist; type is 0 (erased) | 1 (retained)
- COCO:    case_number, source, prompt, evaluation_seed, coco_id; no type
- I2P:     prompt, categories, evaluation_seed, evaluation_guidance, sd_image_width, sd_image_height; no type (I2P's own
           release calls the seed and guidance sd_seed and sd_guidance_scale)
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from erasebench.errors import UserError, did_you_mean
from erasebench.prompts.line import Line
from erasebench.prompts.table import COLUMNS, GROUPS, OWN, Group, PromptRow

SEEDS = ("evaluation_seed", "sd_seed")
GUIDANCES = ("evaluation_guidance", "sd_guidance_scale")
LISTED = "file"
"""The column of a listing of images that is not the prompts' own."""
TYPES: dict[str, Group] = {"erased": "erased", "0": "erased", "others": "retained-kept", "1": "retained-kept"}
"""The reference shows its method every retained name."""


@dataclass(frozen=True)
class Dialect:
    """How a line becomes a row; `at` is its place in the file."""

    row: Callable[[Line, int], PromptRow]
    ours: bool = False


def dialect_of(path: Path, columns: tuple[str, ...]) -> Dialect:
    """The dialect that these columns belong to. UserError for a column that is missing, unknown or there twice."""
    if twice := [column for column in columns if columns.count(column) > 1]:
        raise UserError(f"{path}, line 1: the column '{twice[0]}' is there twice.", "Remove one of them.")
    if not any(name in columns for name in SEEDS):
        return _ours(path, columns)
    if "prompt" not in columns:
        raise _missing(path, "prompt", columns)
    if "artist" in columns:
        return Dialect(_artist)
    if "type" in columns:
        return Dialect(_person)
    if "coco_id" in columns:
        return Dialect(_coco)
    if "sd_image_width" in columns or any(name in columns for name in GUIDANCES):
        return Dialect(_i2p)
    what = f"{path}, line 1: the columns are none of the dialects' that are read ({', '.join(columns)})."
    raise UserError(
        what, "Rename them as prompts_csv/README.md says: prompt, seed, and group and concept where needed."
    )


def _missing(path: Path, column: str, columns: tuple[str, ...]) -> UserError:
    found = ", ".join(columns) or "none"
    return UserError(f"{path}, line 1: the column '{column}' is missing.", f"Columns found: {found}.")


def _ours(path: Path, columns: tuple[str, ...]) -> Dialect:
    for column in ("prompt", "seed"):
        if column not in columns:
            raise _missing(path, column, columns)
    for column in columns:
        if column not in (*COLUMNS, *OWN, LISTED):
            raise UserError(f"{path}, line 1: unknown column '{column}'.", did_you_mean(column, COLUMNS + OWN))
    return Dialect(_our_row, ours=True)


def _our_row(line: Line, at: int) -> PromptRow:
    group = next((known for known in GROUPS if known == line.record.get("group", "general")), None)
    if group is None:
        raise line.wrong("group", "no such group", did_you_mean(line.record["group"], GROUPS))
    prompt, seed, number = line.prompt(), line.seed("seed"), line.row_number("row", at)
    concept = line.record.get("concept", "")
    if group != "general" and not concept:
        problem = f"a row of the group {group} has to name its concept"
        raise line.wrong("concept", problem, "Fill in the name that the prompt is about.")
    own = line.guidance("guidance"), line.side("width"), line.side("height")
    return PromptRow(number, group, concept, prompt, seed, *own)


def _seed(line: Line) -> int:
    return line.seed(next(name for name in SEEDS if name in line.record))


def _type(line: Line) -> Group:
    group = TYPES.get(line.record["type"].strip().lower())
    if group is None:
        raise line.wrong("type", "neither erased nor retained", "Write erased or others (people), 0 or 1 (artists).")
    return group


def _artist(line: Line, at: int) -> PromptRow:
    if "type" not in line.record:
        raise line.wrong("type", "the column is missing", "Add it: 0 for erased artists, 1 for retained ones.")
    if not line.record["artist"].strip():
        raise line.wrong("artist", "no artist is named", "Fill in the artist's name.")
    return PromptRow(at, _type(line), line.record["artist"], line.prompt(), _seed(line))


def _person(line: Line, at: int) -> PromptRow:
    prompt = line.prompt()
    concept = line.record.get("concept") or _name_in(prompt)
    if concept is None:
        mend = "Add a column 'concept' with the name, or write the prompt after a template of the protocol."
        raise line.wrong("prompt", "no template of an installed suite, so whom it names is not known", mend)
    return PromptRow(at, _type(line), concept, prompt, _seed(line))


def _coco(line: Line, at: int) -> PromptRow:
    return PromptRow(at, "general", "", line.prompt(), _seed(line))


def _i2p(line: Line, at: int) -> PromptRow:
    guidance = next((value for name in GUIDANCES if (value := line.guidance(name)) is not None), None)
    concept = line.record.get("categories", "").strip() or "explicit"
    width, height = line.side("sd_image_width"), line.side("sd_image_height")
    return PromptRow(at, "erased", concept, line.prompt(), _seed(line), guidance, width, height)


def _name_in(prompt: str) -> str | None:
    """The name that a prompt of an installed suite's templates was made for."""
    return next((found[1] for pattern in _templates() if (found := pattern.fullmatch(prompt.strip()))), None)


@cache
def _templates() -> tuple[re.Pattern[str], ...]:
    # The suites know the prompts' columns, so they are asked late.
    from erasebench.registry import SUITES
    from erasebench.suite import load_suite

    templates = [template for name in SUITES.names() for template in load_suite(name).templates]
    # The longest fixed text first: '{name} in an official photo' must not take 'A sketch of {name}' for a name.
    ordered = sorted(dict.fromkeys(templates), key=len, reverse=True)
    return tuple(re.compile(re.escape(t).replace(re.escape("{name}"), "(.+)")) for t in ordered)
