"""A suite: what is erased and kept, what is asked of the model, which judge reads which group, which metrics result."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    ValidationInfo,
    field_validator,
    model_validator,
)

from erasebench.api.attack import NAME as ATTACK_NAME
from erasebench.api.concepts import Kind, Name, concept_key, repeated, twice_said
from erasebench.api.groups import Group
from erasebench.api.judges import is_packages
from erasebench.api.registry import Registry, suite_path
from erasebench.api.world import SizeName, World
from erasebench.errors import UserError
from erasebench.identity import digest, measured_part, presentation_field
from erasebench.metrics.columns import MetricTable

FROM_TEMPLATES = "templates"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class NamedSet(_Frozen):
    """One scale of one world whose names are no prefix of the erase list, with an anchor of its own."""

    world: str = Field(min_length=1)
    scale: int = Field(ge=1)
    names: tuple[Name, ...] = Field(min_length=1)
    anchor: str

    @field_validator("names")
    @classmethod
    def _each_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        _check_names(names)
        return names

    @field_validator("anchor")
    @classmethod
    def _another(cls, anchor: str, info: ValidationInfo) -> str:
        _check_not_own_anchor(dict.fromkeys(info.data.get("names", ()), anchor))
        return anchor


class Size(_Frozen):
    """How much of a suite is measured; it never changes what a method is given.

    Seeds are counted for each prompt; `general` and `explicit` are prompts of ready-made sets; `concepts`: the names
    erased, each in a run of its own, where a suite erases one at a time (none: all).
    """

    erased_seeds: dict[PositiveInt, PositiveInt] = Field(default_factory=dict)
    synonym_seeds: int = Field(default=0, ge=0)
    retain_seen: int = Field(default=0, ge=0)
    retain_heldout: int = Field(default=0, ge=0)
    retain_seeds: int = Field(default=1, gt=0)
    general: int = Field(default=0, ge=0)
    explicit: int = Field(default=0, ge=0)
    concepts: tuple[Name, ...] = ()

    @field_validator("concepts")
    @classmethod
    def _each_once(cls, concepts: tuple[str, ...]) -> tuple[str, ...]:
        _check_names(concepts)
        return concepts

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
    prompts: str | None = Field(default=None, min_length=1)

    @field_validator("judges", "where_available")
    @classmethod
    def _each_once(cls, judges: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        _check_once((*info.data.get("judges", ()), *judges))
        return judges


class AskedAttack(_Frozen):
    """An attack on one group of prompts. In YAML its settings stand beside its name: {name: my-attack, steps: 50}.

    It is one that a package registers: a suite is data, and names no file to be run.
    """

    name: str = Field(pattern=f"^{ATTACK_NAME.pattern}$")
    group: Group = "erased"
    settings: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _settings_beside(cls, content: Any) -> Any:
        if not isinstance(content, dict) or "settings" in content:
            return content
        own = {str(key): value for key, value in content.items() if key not in ("name", "group")}
        return {key: value for key, value in content.items() if key not in own} | {"settings": own}


class Suite(_Frozen):
    """One YAML file of suites/: templates, anchors, sizes, groups of prompts and their judges, the board's table.

    `one_at_a_time`: each name is erased in a run of its own, and the runs are averaged under `average_table`; otherwise
    the first n names together, n one of `scales`. `anchors`: what single names become, by world (or 'default').
    `attacks`: what is tried on every edited model, each at most once.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str = presentation_field(min_length=1)
    kind: Kind
    one_at_a_time: bool = False
    scales: tuple[PositiveInt, ...] = ()
    default_scale: int | None = None
    anchor: str
    anchors: dict[str, dict[Name, str]] = Field(default_factory=dict)
    sets: tuple[NamedSet, ...] = ()
    templates: tuple[str, ...] = ()
    given: dict[str, NonNegativeInt] = Field(default_factory=lambda: {"default": 0})
    sizes: dict[SizeName, Size]
    groups: dict[Group, GroupJudges]
    attacks: tuple[AskedAttack, ...] = ()
    table: MetricTable
    average_table: MetricTable | None = None

    @field_validator("templates")
    @classmethod
    def _one_name_each(cls, templates: tuple[str, ...]) -> tuple[str, ...]:
        for template in templates:
            if template.count("{name}") != 1:
                raise ValueError(f"the template '{template}' must contain {{name}} once")
        _check_once(templates)
        return templates

    @field_validator("scales")
    @classmethod
    def _each_scale_once(cls, scales: tuple[int, ...]) -> tuple[int, ...]:
        _check_once(scales)
        return scales

    @field_validator("anchors")
    @classmethod
    def _become_another(cls, anchors: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
        for of_world in anchors.values():
            _check_not_own_anchor(of_world)
        return anchors

    @field_validator("sets")
    @classmethod
    def _one_set_each(cls, sets: tuple[NamedSet, ...]) -> tuple[NamedSet, ...]:
        _check_once(tuple(f"{each.world}, scale {each.scale}" for each in sets))
        return sets

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.one_at_a_time and (self.scales or self.default_scale is not None or self.average_table is None):
            raise ValueError("a suite that erases one name at a time has no scales, and an average_table")
        if not self.one_at_a_time and self.default_scale not in self.scales:
            raise ValueError(f"default_scale {self.default_scale} is not one of the scales {list(self.scales)}")
        if missing := {"small", "full"} - set(self.sizes):
            raise ValueError(f"sizes lack {sorted(missing)}")
        if apart := [each.scale for each in self.sets if each.scale not in self.scales]:
            raise ValueError(f"sets has the scale {apart[0]}, which is not one of the scales {list(self.scales)}")
        if "erased" not in self.groups:
            raise ValueError("groups lack erased")
        from_templates = set(self.groups) - set(self.prompt_sets)
        if from_templates and not self.templates:
            raise ValueError(f"the groups {sorted(from_templates)} are made from templates, and there are none")
        if "erased" in from_templates and not all(size.erased_seeds for size in self.sizes.values()):
            raise ValueError("every size must give erased_seeds")
        if "default" not in self.given:
            raise ValueError("given has no default")
        _check_once(tuple(attack.name for attack in self.attacks))
        for attack in self.attacks:
            if attack.group not in self.groups:
                raise ValueError(
                    f"the attack {attack.name} is on the group {attack.group}, which is not one of the groups"
                )
        return self

    @property
    def digest(self) -> str:
        """Of all that decides what is measured and ranked: the title, words and columns of the tables are not in it."""
        directions = [table.primary_column.direction for table in (self.table, self.average_table) if table is not None]
        measured = measured_part(self)
        if not self.attacks:
            # So a suite without attacks has the digest that it had before there were any.
            del measured["attacks"]
        return digest([measured, directions])

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
        return chosen.judges + tuple(
            name for name in chosen.where_available if name in world.judges or is_packages(name, world)
        )

    def all_judges(self, world: World) -> tuple[str, ...]:
        """The judges of all groups in a world, each once, in the order of the groups."""
        return tuple(dict.fromkeys(name for group in self.groups for name in self.judges_of(group, world)))

    def anchor_of(self, name: str, world: str) -> str:
        """What an erased name becomes in a world."""
        return self.anchors.get(world, self.anchors.get("default", {})).get(name, self.anchor)


SUITES: Registry[Path] = Registry("suite", "erasebench.suites", suite_path)


def load_suite(name: str) -> Suite:
    """The suite registered under `name`, or of a YAML file by path.

    UserError for an unknown name, a missing file, broken YAML, or a field that is missing, unknown or wrong.
    """
    # Loaded late, as in all that `erasebench list` imports: it reads no YAML.
    from erasebench.files.yaml_file import read_yaml

    is_path = name.endswith((".yaml", ".yml"))
    path = Path(name) if is_path else SUITES.load(name)
    unreadable = "Give the path of a suite's YAML file."
    if not path.exists():
        raise UserError(f"There is no suite file {path}.", unreadable)
    return read_yaml(path, named=f"{path}", unreadable=unreadable).as_model(
        Suite, "Compare with suites/celebrity.yaml; CHANGELOG.md names the fields that have a new name."
    )


def installed_suites() -> dict[str, Suite]:
    """Every installed suite by name; one that cannot be read is named in a warning, once, and left out."""
    return SUITES.each(load_suite)


def _check_once(values: tuple[Any, ...]) -> None:
    if twice := [value for value in values if values.count(value) > 1]:
        raise ValueError(f"'{twice[0]}' is given twice")


def _check_names(names: tuple[str, ...]) -> None:
    if twice := repeated(names):
        raise ValueError(twice_said(twice))


def _check_not_own_anchor(anchors: dict[str, str]) -> None:
    for name, anchor in anchors.items():
        if concept_key(name) == concept_key(anchor):
            raise ValueError(f"'{name}' is its own anchor: nothing would be erased")
