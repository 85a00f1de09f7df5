"""What a user asks for, and the method with its settings that follows from it. Nothing here imports torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic import ValidationError

from erasebench.api.concepts import Kind
from erasebench.api.judge_settings import JudgeSettings
from erasebench.api.method import load_method
from erasebench.api.names import check_name
from erasebench.api.world import SCHEDULER_NAMES, SizeName
from erasebench.diffusion.profile import checked_dtype
from erasebench.errors import UserError, did_you_mean
from erasebench.files.source import source_digest
from erasebench.files.yaml_file import yaml_value
from erasebench.identity import identity_of
from erasebench.results.record import UNEDITED
from erasebench.runner.method_sources import method_sources

if TYPE_CHECKING:
    from erasebench.api.attack import Attack
    from erasebench.api.method import Method, MethodConfig

DEFAULT_OUT = Path("results")
"""Of whoever runs something; the project's own board is written with --out leaderboard."""
DEFAULT_SEED = 2024
"""Of a method's own randomness; the published MACE runs'."""
SHARED_SOURCES = (
    *(
        "erasebench.editing",
        "erasebench.diffusion.sampling",
        "erasebench.diffusion.schedulers",
        "erasebench.diffusion.prompt_states",
        "erasebench.diffusion.shared_text",
        "erasebench.api.sampling_change",
    ),
    *("erasebench.api.erasure", "erasebench.editing.templates", "erasebench.training", "erasebench.runner.workspace"),
)
"""The harness's modules that any method's result rests on: part of every method's version."""


Variant = Literal["released", "i2p-rows"]
"""Rows that bring a guidance and size of their own are sampled like all others (the reference does it), or by them."""


Baselines = Literal["shipped", "run", "none"]
"""The baselines are shown from records shipped with erasebench (the unedited model is run where none fits), or run."""
BASELINES = ("uce", "esd-x")
"""Erasure methods that every other is shown beside."""


@dataclass(frozen=True)
class Request:
    """The words of `erasebench run`, which are those of `erasebench.run`."""

    methods: tuple[str, ...]
    suites: tuple[str, ...]
    world: str = "miniature"
    model: str | None = None
    scale: int | None = None
    concepts: tuple[str, ...] | None = None
    anchors: tuple[str, ...] | None = None
    size: SizeName | None = None
    limit: int | None = None
    recipe: str = "default"
    settings: Mapping[str, str] = field(default_factory=dict)
    baselines: str = "shipped"
    sampling: str = "released"
    steps: int | None = None
    guidance: float | None = None
    scheduler: str | None = None
    batch_size: int | None = None
    judge_settings: JudgeSettings = field(default_factory=JudgeSettings)
    attacks: tuple[str, ...] = ()
    attack_settings: Mapping[str, str] = field(default_factory=dict)
    device: str = "cpu"
    dtype: str = "auto"
    compiled: bool = False
    seed: int = DEFAULT_SEED
    repeats: int = 1
    out: Path = DEFAULT_OUT
    runs_folder: Path = Path("runs")

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise UserError(f"--limit {self.limit}: there is nothing to do.", "Give 1 or more images of each group.")
        if self.seed < 0:
            raise UserError(f"--seed {self.seed} is negative.", "Give 0 or more.")
        if self.repeats < 1:
            raise UserError(
                f"--repeats {self.repeats} erases nothing.",
                "Give 1 or more; 3 shows the variation between training runs.",
            )
        by_own_settings(self.sampling)
        check_name("recipe", self.recipe)
        sampling_given(self.steps, self.guidance, self.scheduler, self.batch_size)
        if self.baselines not in get_args(Baselines):
            what = f"--baselines {self.baselines} is not possible."
            raise UserError(what, did_you_mean(self.baselines, get_args(Baselines)))
        check_device_name(self.device)
        checked_dtype(self.dtype)

    @property
    def sampled_with(self) -> dict[str, Any]:
        """What is sampled otherwise than the world does: fields of SamplingDefaults."""
        return sampling_given(self.steps, self.guidance, self.scheduler, self.batch_size)

    @cached_property
    def all_methods(self) -> tuple[str, ...]:
        """Every method that is run, once, by the name that was given: baselines first. UserError for an unknown one.

        The unedited model is among them where it may be shown from shipped records: it is run where none fits.
        """
        baselines = {"none": (), "shipped": (UNEDITED,), "run": (UNEDITED, *BASELINES)}[self.baselines]
        asked: dict[type[Method], str] = {}
        for name in dict.fromkeys(self.methods):
            asked.setdefault(load_method(name), name)
        return tuple(({load_method(name): name for name in baselines} | asked).values())

    @property
    def shown_beside(self) -> tuple[str, ...]:
        """The baselines to be shown from shipped records: those that are not asked for."""
        asked = {load_method(name) for name in self.methods}
        every = (UNEDITED, *BASELINES) if self.baselines == "shipped" else ()
        return tuple(name for name in every if load_method(name) not in asked)


def by_own_settings(sampling: str) -> bool:
    """Whether rows are sampled by settings of their own. UserError for a variant that there is not."""
    if sampling not in get_args(Variant):
        raise UserError(f"There is no sampling variant '{sampling}'.", did_you_mean(sampling, get_args(Variant)))
    return sampling == "i2p-rows"


def sampling_given(
    steps: int | None, guidance: float | None, scheduler: str | None, batch_size: int | None
) -> dict[str, Any]:
    """Those that are given, as fields of SamplingDefaults. UserError for a value that cannot be."""
    if steps is not None and not 1 <= steps <= 1000:
        raise UserError(f"--steps {steps} is not possible.", "Give 1 to 1000; the model was trained on 1000 timesteps.")
    if guidance is not None and not 0 <= guidance < inf:
        raise UserError(f"--guidance {guidance} is not possible.", "Give 0 or more; 1 or less means no guidance.")
    if scheduler is not None and scheduler not in SCHEDULER_NAMES:
        raise UserError(f"There is no scheduler '{scheduler}'.", did_you_mean(scheduler, SCHEDULER_NAMES))
    if batch_size is not None and batch_size < 1:
        raise UserError(f"--batch-size {batch_size} is not possible.", "Give 1 or more images.")
    values = {"steps": steps, "guidance": guidance, "scheduler": scheduler, "batch_size": batch_size}
    return {name: value for name, value in values.items() if value is not None}


def check_device_name(device: str) -> None:
    """UserError for anything but 'cpu', 'cuda' or 'cuda:<number>'."""
    kind, _, number = device.partition(":")
    if kind not in ("cpu", "cuda") or (":" in device and not (kind == "cuda" and number.isdigit())):
        raise UserError(f"There is no device '{device}'.", did_you_mean(device, ("cpu", "cuda", "cuda:0")))


@dataclass(frozen=True)
class Chosen:
    """A method with its resolved configuration; `asked` is how the user named it."""

    asked: str
    method: type[Method]
    config: MethodConfig
    variant: str

    @property
    def name(self) -> str:
        """The method's name."""
        return self.method.name

    @property
    def label(self) -> str | None:
        """What the user calls the row of the board; None: the method's name."""
        return self.method(self.config).label

    @property
    def version(self) -> str:
        """Digest of the method's own source and of the shared modules, so that nobody has to remember to bump it."""
        return version_of(self.method)

    @property
    def identity(self) -> dict[str, Any]:
        """Everything of the method that decides its result."""
        return {"method": self.name, "version": self.version, "config": identity_of(self.config)}


def version_of(plugin: type[Method] | type[Attack]) -> str:
    """Digest of a method's or an attack's own source and of the shared modules that any of their results rests on."""
    return source_digest((*method_sources(plugin.__module__), *SHARED_SOURCES))


def choose(request: Request, name: str, *, recipes: str, kind: Kind, n_concepts: int) -> Chosen:
    """The method `name` with its recipe for the world `recipes` and the request's settings.

    UserError for an unknown method or recipe, a kind that it does not erase, or a setting that is unknown or wrong.
    """
    method = load_method(name)
    method.check_kind(kind)
    variant = request.recipe if name in request.methods and method.name != UNEDITED else "default"
    config = method.recipe(world=recipes, kind=kind, n_concepts=n_concepts, variant=variant)
    changes = _anchor_of_task(method, request) | _settings_of(method, name, request)
    if changes:
        try:
            config = type(config).model_validate(config.model_dump() | changes)
        except ValidationError as error:
            first = error.errors()[0]
            where = f"{method.name}.{'.'.join(map(str, first['loc']))}"
            raise UserError(f"--set {where}: {first['msg']}, not {first['input']!r}.", _help(method, first)) from error
    # A method may refuse its settings as a whole, and does it before any work.
    method(config)
    return Chosen(name, method, config, variant)


def check_settings(request: Request) -> None:
    """UserError for a setting that is not of the form method.field or names a method that does not run."""
    known = {load_method(name).name for name in request.all_methods} | set(request.all_methods)
    for key in request.settings:
        owner, dot, name = key.partition(".")
        if not dot or not name:
            raise UserError(
                f"--set {key} does not name a field.", "Write --set method.field=value, e.g. mace.steps=20."
            )
        if owner not in known:
            raise UserError(f"--set {key}: the method '{owner}' is not part of this run.", did_you_mean(owner, known))


def _anchor_of_task(method: type[Method], request: Request) -> dict[str, Any]:
    """Where the user gives anchors, a method that has a choice takes them in place of its release's own."""
    field = method.Config.model_fields.get("anchor")
    return {"anchor": "task"} if request.anchors and field and "task" in get_args(field.annotation) else {}


def _settings_of(method: type[Method], name: str, request: Request) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for key, text in request.settings.items():
        owner, _, field_name = key.partition(".")
        if owner not in (method.name, name):
            continue
        if field_name not in method.Config.model_fields:
            raise UserError(
                f"{method.name} has no setting '{field_name}'.", did_you_mean(field_name, method.Config.model_fields)
            )
        try:
            changes[field_name] = yaml_value(text)
        except ValueError as error:
            hint = "Write a number, true, false, a word or a list; put other text in quotes."
            raise UserError(f"--set {key}={text} is not a value: {error}.", hint) from error
    return changes


def as_typed(value: Any) -> str:
    """A setting as the command line would have it: None is null, a tuple is a list, a path its text."""
    return str(value) if isinstance(value, str | Path) else json.dumps(value, default=str)


def _help(method: type[Method], error: Any) -> str:
    location = error["loc"]
    description = method.Config.model_fields[location[0]].description if location else None
    return description or f"See the settings of {method.name}: erasebench list --method {method.name}."
