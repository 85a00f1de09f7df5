"""A plan: a YAML file of many runs, so that a whole leaderboard is one command that can be killed and repeated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from erasebench.errors import UserError
from erasebench.record import UNEDITED
from erasebench.registry import load_method
from erasebench.runner.request import Request, check_settings


class Entry(BaseModel):
    """Some methods on some suites, with the words of `erasebench run`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    methods: tuple[str, ...] = Field(min_length=1)
    suites: tuple[str, ...] = Field(min_length=1)
    scale: int | None = None
    concepts: tuple[str, ...] | None = None
    recipe: str = "default"
    settings: dict[str, str | float | int | bool] = {}


class Plan(BaseModel):
    """The file: `runs`, a list of entries."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    runs: tuple[Entry, ...] = Field(min_length=1)


def read_plan(path: Path, common: Request) -> list[Request]:
    """One request for each method on each suite of the plan, the unedited model's beside; `common` is what all share.

    UserError for a missing file, broken YAML, an entry that is missing, unknown or wrong, or a setting of no method.
    """
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"The plan {path} cannot be read ({error}).", "Give a YAML file.") from error
    except yaml.YAMLError as error:
        raise UserError(f"{path} is no YAML: {' '.join(str(error).split())}.", "Mend the file there.") from error
    try:
        plan = Plan.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        mend = "Write runs: [{methods: [mace], suites: [celebrity], scale: 10}]."
        raise UserError(f"{path}: {where}: {first['msg']}.", mend) from error
    return list(_single(plan, common))


def is_unedited(request: Request) -> bool:
    """Whether the request is of the unedited model, whose images the others are shown beside."""
    return load_method(request.methods[0]).name == UNEDITED


def _single(plan: Plan, common: Request) -> Iterator[Request]:
    for entry in plan.runs:
        settings = {key: _text(value) for key, value in entry.settings.items()}
        methods = dict.fromkeys((UNEDITED, *entry.methods))
        check_settings(replace(common, methods=tuple(methods), baselines="none", settings=settings))
        for suite in entry.suites:
            for method in methods:
                names = (method, load_method(method).name)
                yield replace(
                    common,
                    methods=(method,),
                    suites=(suite,),
                    scale=entry.scale,
                    concepts=entry.concepts,
                    recipe="default" if method == UNEDITED else entry.recipe,
                    settings={key: value for key, value in settings.items() if key.partition(".")[0] in names},
                    baselines="none",
                )


def _text(value: str | float | int | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
