"""The record of tuning (methods/tuning.csv): every setting that was tried on the miniature's validation split.

Evidence alone: no run reads it. What was chosen stands in each method's recipe file (erasebench.api.recipe).
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from erasebench.api.concepts import Kind
from erasebench.errors import UserError, did_you_mean
from erasebench.files.atomic import atomic_write

RECIPES = "miniature"
"""The world whose recipes are tuned."""
SPLIT = "miniature-validation"
"""The world that they are tuned on."""


class Trial(BaseModel):
    """One setting of a method that was tried on the split; a row of the table, as `erasebench tune` writes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str = Field(min_length=1)
    kind: Kind
    scale: int = Field(ge=1, description="concepts erased")
    trial: int = Field(ge=1, description="1, 2 ... of its method, kind and scale")
    settings: str = Field(pattern=r"^(recipe|\w+=.+)$", description="'learning_rate=0.01 steps=50', or 'recipe'")
    score: FiniteFloat
    metrics: str = Field(default="", description="what the score is made of")
    seconds: FiniteFloat | None = Field(default=None, ge=0, description="to erase")
    chosen: Literal["yes", "no"]

    @property
    def place(self) -> tuple[str, Kind, int]:
        """What it was a trial for: method, kind and number of concepts."""
        return self.method, self.kind, self.scale


COLUMNS = tuple(Trial.model_fields)
REQUIRED = tuple(name for name, field in Trial.model_fields.items() if field.is_required())


@cache
def shipped_trials() -> tuple[Trial, ...]:
    """The table that erasebench ships."""
    return read_trials(Path(str(files("erasebench.methods").joinpath("tuning.csv"))))


def read_trials(path: Path) -> tuple[Trial, ...]:
    """The trials in `path`. UserError, naming file, line and column, for whatever is no such table.

    A trial may stand there once, and one at most is chosen for each method, kind and scale.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            reader = csv.DictReader(handle, strict=True)
            _check_columns(path, tuple(reader.fieldnames or ()))
            return tuple(_trials(path, reader))
    except OSError as error:
        raise UserError(f"The tuning table {path} cannot be read: {error.strerror}.", "Restore the file.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is not valid CSV in UTF-8: {error}.", "Save the table as CSV in UTF-8.") from error


def write_trials(path: Path, trials: Sequence[Trial]) -> None:
    """Put the trials into the table at `path`, which may be new; those of other methods, kinds and scales stay.

    Byte for byte the same for the same trials. UserError as in read_trials for a file that is no such table.
    """
    fresh = {trial.place for trial in trials}
    kept = [trial for trial in read_trials(path) if trial.place not in fresh] if path.exists() else []
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for trial in (*kept, *trials):
            seconds = "" if trial.seconds is None else f"{trial.seconds:.0f}"
            writer.writerow(trial.model_dump() | {"score": f"{trial.score:.3f}", "seconds": seconds})


def _check_columns(path: Path, columns: tuple[str, ...]) -> None:
    for column in REQUIRED:
        if column not in columns:
            found = ", ".join(columns) or "none"
            raise UserError(f"{path}, line 1: the column '{column}' is missing.", f"Columns found: {found}.")
    for column in columns:
        if column not in COLUMNS:
            raise UserError(f"{path}, line 1: unknown column '{column}'.", did_you_mean(column, COLUMNS))


def _trials(path: Path, reader: csv.DictReader[str]) -> Iterator[Trial]:
    first_line: dict[tuple[Any, ...], int] = {}
    for row in reader:
        line = f"{path}, line {reader.line_num}"
        if None in row or None in row.values():
            what = f"{line}: there are {'more' if None in row else 'fewer'} fields than columns."
            raise UserError(what, "Put fields that contain a comma in double quotes.")
        try:
            trial = Trial.model_validate(row)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            column = str(first["loc"][0])
            what = f"{line}, column '{column}', value '{row[column]}': {first['msg']}."
            raise UserError(what, "Correct the value, or remove the line.") from error
        unique: dict[str, tuple[Any, ...]] = {"trial": (*trial.place, trial.trial)}
        if trial.chosen == "yes":
            unique["chosen"] = trial.place
        for column, key in unique.items():
            if (other := first_line.setdefault(key, reader.line_num)) != reader.line_num:
                what = f"{line}, column '{column}', value '{row[column]}': the same as line {other}."
                raise UserError(what, "Number each trial once and choose one for each method, kind and scale.")
        yield trial
