"""A suite: what is erased and kept, what is asked of the model, which judge reads which group, which figures result."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from erasebench.board.columns import FigureTable
from erasebench.concepts import Concept, ErasureTask, Kind
from erasebench.errors import UserError, did_you_mean
from erasebench.identity import digest
from erasebench.prompts import GROUPS, Group
from erasebench.registry import SUITES
from erasebench.world import SizeName, World


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NamedSet(_Frozen):
    """One scale of one world whose names are no prefix of the erase list, with an anchor of its own."""

    world: str
    scale: int
    names: tuple[str, ...]
    anchor: str


class Size(_Frozen):
    """How much of a suite is measured; it never changes what a method is told."""

    erased_seeds: dict[int, int] = Field(min_length=1)
    retained_kept: int = Field(ge=0)
    retained_unseen: int = Field(ge=0)
    retained_seeds: int = Field(gt=0)
    general: int = Field(ge=0)

    def seeds_for(self, n_erased: int) -> int:
        """Seeds per erased prompt: the entry of the largest number of names that is not above `n_erased`."""
        return self.erased_seeds[max([n for n in self.erased_seeds if n <= n_erased], default=min(self.erased_seeds))]


class GroupJudges(_Frozen):
    """The judges that read a group; those `where_available` only in a world that brings them."""

    judges: tuple[str, ...]
    where_available: tuple[str, ...] = ()


class Suite(_Frozen):
    """One YAML file of suites/: templates, anchors, sizes, groups of prompts and their judges, the board's table."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str
    kind: Kind
    scales: tuple[int, ...] = Field(min_length=1)
    default_scale: int
    anchor: str
    sets: tuple[NamedSet, ...] = ()
    templates: tuple[str, ...] = Field(min_length=1)
    shown: dict[str, int]
    sizes: dict[SizeName, Size]
    groups: dict[Group, GroupJudges]
    table: FigureTable

    @field_validator("templates")
    @classmethod
    def _one_name_each(cls, templates: tuple[str, ...]) -> tuple[str, ...]:
        for template in templates:
            if template.count("{name}") != 1:
                raise ValueError(f"the template '{template}' has to hold {{name}} once")
        return templates

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.default_scale not in self.scales:
            raise ValueError(f"default_scale {self.default_scale} is none of the scales {list(self.scales)}")
        if missing := {"small", "full"} - set(self.sizes):
            raise ValueError(f"sizes lack {sorted(missing)}")
        if missing_groups := set(GROUPS) - set(self.groups):
            raise ValueError(f"groups lack {sorted(missing_groups)}")
        if "default" not in self.shown:
            raise ValueError("shown lacks its default")
        return self

    @property
    def digest(self) -> str:
        """Of the whole definition."""
        return digest(self)

    def judges_of(self, group: Group, world: World) -> tuple[str, ...]:
        """The judges that read a group in a world."""
        chosen = self.groups[group]
        return chosen.judges + tuple(name for name in chosen.where_available if name in world.judges)


class Selection(_Frozen):
    """A suite in a world, with its names chosen: what is erased, what a method is told to keep, what it is not."""

    scale: int | str
    erased: tuple[str, ...]
    shown: tuple[str, ...]
    unseen: tuple[str, ...]
    anchor: str

    def task(self, kind: Kind, prior_captions: tuple[str, ...]) -> ErasureTask:
        """All that a method is told: nothing of templates, seeds, synonyms or unseen names is in it."""
        concepts = tuple(Concept(name=name, kind=kind, anchor=self.anchor) for name in self.erased)
        return ErasureTask(concepts=concepts, keep=self.shown, prior_captions=prior_captions)


def select(suite: Suite, world: World, scale: int | None = None, concepts: tuple[str, ...] | None = None) -> Selection:
    """The names of a suite in a world: the first `scale` of its erase list, or `concepts` by name.

    UserError for a scale that the suite does not have or a name that is not in the world's cast.
    """
    anchor = suite.anchor
    if concepts is not None and scale is not None:
        raise UserError(f"Both --scale {scale} and --concepts are given.", "Give one: --concepts names what to erase.")
    if concepts is not None:
        erased = _known(concepts, world.cast.all_names(suite.kind), world.name)
        label: int | str = f"custom-{digest(sorted(erased))[:6]}"
    else:
        label = scale if scale is not None else suite.default_scale
        if label not in suite.scales:
            known = ", ".join(map(str, suite.scales))
            raise UserError(f"The suite {suite.name} has no scale {label}.", f"Give one of {known}, or --concepts.")
        erased = world.cast.names(suite.kind, "erase")[:label]
        for named in suite.sets:
            if (named.world, named.scale) == (world.name, label):
                erased, anchor = named.names, named.anchor
    retained = tuple(name for name in world.cast.names(suite.kind, "retain") if name not in erased)
    shown = _spread(retained, suite.shown.get(world.name, suite.shown["default"]))
    return Selection(
        scale=label,
        erased=erased,
        shown=shown,
        unseen=tuple(name for name in retained if name not in shown),
        anchor=anchor,
    )


def _known(concepts: tuple[str, ...], names: tuple[str, ...], world: str) -> tuple[str, ...]:
    for concept in concepts:
        if concept not in names:
            raise UserError(f"The world {world} knows no '{concept}'.", did_you_mean(concept, names))
    if len(set(concepts)) != len(concepts):
        raise UserError(f"--concepts names something twice: {', '.join(concepts)}.", "Give each name once.")
    if not concepts:
        raise UserError("--concepts is empty.", "Give names as 'First Name,Second Name'.")
    return concepts


def _spread(names: tuple[str, ...], count: int) -> tuple[str, ...]:
    """`count` of the names, spread evenly, so that prefixes of the list hold both kinds in the same proportion."""
    if not names or count >= len(names):
        return names
    return tuple(
        name for at, name in enumerate(names) if -(-(at + 1) * count // len(names)) > -(-at * count // len(names))
    )


def load_suite(name: str) -> Suite:
    """The suite registered under `name`, or of a YAML file by path.

    UserError for an unknown name, a missing file, broken YAML, or a field that is missing, unknown or wrong.
    """
    is_path = name.endswith((".yaml", ".yml"))
    path = Path(name) if is_path else SUITES.load(name)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"There is no suite file {path}.", "Give the path of a suite's YAML file.") from error
    except yaml.YAMLError as error:
        where = " ".join(str(error).split())
        raise UserError(f"{path} is no YAML: {where}.", "Mend the file at that place.") from error
    try:
        return Suite.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        message = first["msg"].removeprefix("Value error, ")
        raise UserError(f"{path}: {where}: {message}.", "Compare with suites/celebrity.yaml.") from error
