"""A suite: what is erased and kept, what is asked of the model, which judge reads which group, which figures result."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from erasebench.board.columns import FigureTable
from erasebench.concepts import Kind
from erasebench.errors import UserError
from erasebench.identity import digest
from erasebench.prompts.table import Group
from erasebench.registry import SUITES
from erasebench.selection import Selection, select, selections
from erasebench.world import SizeName, World
from erasebench.yaml_file import as_model, read_yaml

__all__ = ["Selection", "Size", "Suite", "load_suite", "select", "selections"]

FROM_TEMPLATES = "templates"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NamedSet(_Frozen):
    """One scale of one world whose names are no prefix of the erase list, with an anchor of its own."""

    world: str
    scale: int
    names: tuple[str, ...]
    anchor: str


class Size(_Frozen):
    """How much of a suite is measured; it never changes what a method is told.

    Seeds are counted for each prompt; `general` and `explicit` are prompts of ready-made sets; `concepts`: the names
    erased, each in a run of its own, where a suite erases one at a time (none: all).
    """

    erased_seeds: dict[int, int] = Field(default_factory=dict)
    synonym_seeds: int = Field(default=0, ge=0)
    retained_kept: int = Field(default=0, ge=0)
    retained_unseen: int = Field(default=0, ge=0)
    retained_seeds: int = Field(default=1, gt=0)
    general: int = Field(default=0, ge=0)
    explicit: int = Field(default=0, ge=0)
    concepts: tuple[str, ...] = ()

    def seeds_for(self, n_erased: int) -> int:
        """Seeds per erased prompt: the entry of the largest number of names up to `n_erased`, or the first."""
        entries = sorted(self.erased_seeds.items())
        return next((seeds for n, seeds in reversed(entries) if n <= n_erased), entries[0][1] if entries else 0)

    def ready_made(self, group: Group) -> int:
        """How many prompts of a ready-made set a group takes."""
        return self.general if group == "general" else self.explicit


class GroupJudges(_Frozen):
    """A group's judges (those `where_available` only in a world that brings them) and where its prompts come from.

    `prompts`: 'templates' (names x templates x seeds), the world's 'general' or 'explicit' prompts, or the name of an
    imported table (`erasebench prompts import csv`). None: 'general' for the general group, 'templates' for any other.
    """

    judges: tuple[str, ...]
    where_available: tuple[str, ...] = ()
    prompts: str | None = None


class Suite(_Frozen):
    """One YAML file of suites/: templates, anchors, sizes, groups of prompts and their judges, the board's table.

    `one_at_a_time`: each name is erased in a run of its own, and the runs are averaged under `average_table`; otherwise
    the first n names together, n one of `scales`. `anchors`: what single names become, by world (or 'default').
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str
    kind: Kind
    one_at_a_time: bool = False
    scales: tuple[int, ...] = ()
    default_scale: int | None = None
    anchor: str
    anchors: dict[str, dict[str, str]] = Field(default_factory=dict)
    sets: tuple[NamedSet, ...] = ()
    templates: tuple[str, ...] = ()
    shown: dict[str, int] = Field(default_factory=lambda: {"default": 0})
    sizes: dict[SizeName, Size]
    groups: dict[Group, GroupJudges]
    table: FigureTable
    average_table: FigureTable | None = None

    @field_validator("templates")
    @classmethod
    def _one_name_each(cls, templates: tuple[str, ...]) -> tuple[str, ...]:
        for template in templates:
            if template.count("{name}") != 1:
                raise ValueError(f"the template '{template}' has to hold {{name}} once")
        return templates

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.one_at_a_time and (self.scales or self.default_scale is not None or self.average_table is None):
            raise ValueError("a suite that erases one name at a time has no scales, and an average_table")
        if not self.one_at_a_time and self.default_scale not in self.scales:
            raise ValueError(f"default_scale {self.default_scale} is none of the scales {list(self.scales)}")
        if missing := {"small", "full"} - set(self.sizes):
            raise ValueError(f"sizes lack {sorted(missing)}")
        if "erased" not in self.groups:
            raise ValueError("groups lack erased")
        from_templates = set(self.groups) - set(self.prompt_sets)
        if from_templates and not self.templates:
            raise ValueError(f"the groups {sorted(from_templates)} are made from templates, and there are none")
        if "erased" in from_templates and not all(size.erased_seeds for size in self.sizes.values()):
            raise ValueError("every size has to give erased_seeds")
        if "default" not in self.shown:
            raise ValueError("shown lacks its default")
        return self

    @property
    def digest(self) -> str:
        """Of the whole definition."""
        return digest(self)

    @property
    def prompt_sets(self) -> dict[Group, str]:
        """The groups whose prompts come ready made, and the set that each draws on."""
        usual = {"general": "general"}
        drawn = {group: judges.prompts or usual.get(group, FROM_TEMPLATES) for group, judges in self.groups.items()}
        return {group: name for group, name in drawn.items() if name != FROM_TEMPLATES}

    @property
    def has_scales(self) -> bool:
        """Whether there is a choice of how many names are erased."""
        return len(self.scales) > 1

    def judges_of(self, group: Group, world: World) -> tuple[str, ...]:
        """The judges that read a group in a world."""
        chosen = self.groups[group]
        return chosen.judges + tuple(name for name in chosen.where_available if name in world.judges)

    def anchor_of(self, name: str, world: str) -> str:
        """What an erased name becomes in a world."""
        return self.anchors.get(world, self.anchors.get("default", {})).get(name, self.anchor)


def load_suite(name: str) -> Suite:
    """The suite registered under `name`, or of a YAML file by path.

    UserError for an unknown name, a missing file, broken YAML, or a field that is missing, unknown or wrong.
    """
    is_path = name.endswith((".yaml", ".yml"))
    path = Path(name) if is_path else SUITES.load(name)
    unreadable = "Give the path of a suite's YAML file."
    if not path.exists():
        raise UserError(f"There is no suite file {path}.", unreadable)
    content = read_yaml(path, named=f"{path}", unreadable=unreadable)
    return as_model(content, Suite, path, "Compare with suites/celebrity.yaml.")
