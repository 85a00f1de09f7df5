"""A plan: a YAML file of many runs, so that a whole leaderboard is one command that can be killed and repeated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from erasebench.errors import UserError
from erasebench.record import UNEDITED
from erasebench.registry import load_method
from erasebench.runner.request import Request


class Entry(BaseModel):
    """Some methods on some suites, with the words of `erasebench run`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    methods: tuple[str, ...]
    suites: tuple[str, ...]
    scale: int | None = None
    concepts: tuple[str, ...] | None = None
    recipe: str = "default"
    settings: dict[str, str | float | int | bool] = {}


class Plan(BaseModel):
    """The file: `runs`, a list of entries."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    runs: tuple[Entry, ...]


def read_plan(path: Path, common: Request) -> list[Request]:
    """One request for each method on each suite of the plan, unedited model first; `common` gives what all share.

    UserError for a missing file, broken YAML, or an entry that is missing, unknown or wrong.
    """
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"The plan {path} cannot be read ({error.strerror}).", "Give a YAML file.") from error
    except yaml.YAMLError as error:
        raise UserError(f"{path} is no YAML: {' '.join(str(error).split())}.", "Mend the file there.") from error
    try:
        plan = Plan.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        mend = "Write runs: [{methods: [mace], suites: [celebrity], scale: 10}]."
        raise UserError(f"{path}: {where}: {first['msg']}.", mend) from error
    found: dict[str, Request] = {}
    for request in _single(plan, common):
        found.setdefault(repr(request), request)
    return sorted(found.values(), key=lambda request: not is_unedited(request))


def is_unedited(request: Request) -> bool:
    """Whether the request is of the unedited model, whose images the others are shown beside."""
    return load_method(request.methods[0]).name == UNEDITED


def _single(plan: Plan, common: Request) -> Iterator[Request]:
    for entry in plan.runs:
        for suite in entry.suites:
            for method in dict.fromkeys((UNEDITED, *entry.methods)):
                own = {key: str(value) for key, value in entry.settings.items() if key.startswith(f"{method}.")}
                yield replace(
                    common,
                    methods=(method,),
                    suites=(suite,),
                    scale=entry.scale,
                    concepts=entry.concepts,
                    recipe="default" if method == UNEDITED else entry.recipe,
                    settings=own,
                    baselines="none",
                )
