"""A plan: a YAML file of many runs, so that a whole leaderboard is one command that can be killed and repeated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator

from erasebench.api.concepts import Name, repeated, twice_said
from erasebench.api.method import load_method
from erasebench.files.yaml_file import read_yaml
from erasebench.results.record import UNEDITED
from erasebench.runner.request import Request, as_typed, check_settings


class Entry(BaseModel):
    """Some methods on some suites, with the words of `erasebench run`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    methods: tuple[Name, ...] = Field(min_length=1)
    suites: tuple[Name, ...] = Field(min_length=1)
    scale: int | None = Field(default=None, ge=1, strict=True)
    concepts: tuple[Name, ...] | None = Field(default=None, min_length=1)
    anchors: tuple[str, ...] | None = Field(default=None, min_length=1)
    recipe: str = Field(default="default", min_length=1)
    repeats: int | None = Field(default=None, ge=1, strict=True)
    settings: dict[str, str | float | int | bool] = {}

    @field_validator("methods", "suites")
    @classmethod
    def _each_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"'{twice[0]}' is given twice")
        return names

    @field_validator("concepts")
    @classmethod
    def _each_name_once(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if twice := repeated(names or ()):
            raise ValueError(twice_said(twice))
        return names


class Plan(BaseModel):
    """The file: `runs`, a list of entries."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    runs: tuple[Entry, ...] = Field(min_length=1)


def read_plan(path: Path, common: Request) -> list[Request]:
    """One request for each method on each suite of the plan, the unedited model's beside; `common` is what all share.

    UserError for a missing file, broken YAML, an entry that is missing, unknown or wrong, or a setting of no method.
    """
    file = read_yaml(path, named=f"The plan {path}", unreadable="Give a YAML file.")
    plan = file.as_model(Plan, "Write runs: [{methods: [mace], suites: [celebrity], scale: 10}].")
    return list(_single(plan, common))


def is_unedited(request: Request) -> bool:
    """Whether the request is of the unedited model, whose images the others are shown beside."""
    return load_method(request.methods[0]).name == UNEDITED


def _single(plan: Plan, common: Request) -> Iterator[Request]:
    for entry in plan.runs:
        settings = {key: as_typed(value) for key, value in entry.settings.items()}
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
                    repeats=entry.repeats or common.repeats,
                    anchors=entry.anchors,
                    recipe="default" if method == UNEDITED else entry.recipe,
                    settings={key: value for key, value in settings.items() if key.partition(".")[0] in names},
                    baselines="none",
                )
