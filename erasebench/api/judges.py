"""Where judges and their metrics are found by name; nothing that they need is loaded before it is asked for.

Erasebench's own judges come with a world, which has their weights: see `erasebench.api.world.World.judge`.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from erasebench.api.registry import Registry, class_of, ending_no_program, load_class
from erasebench.errors import UserError
from erasebench.files.source import source_digest

if TYPE_CHECKING:
    from erasebench.api.judge import Judge
    from erasebench.api.judge_metrics import Metrics
    from erasebench.api.judge_settings import JudgeSettings

JUDGES: Registry[type[Judge]] = Registry("judge", "erasebench.judges", class_of)


class Own(NamedTuple):
    """A judge of erasebench's own: where its metrics are written, and what the protocol's scripts call it.

    The metrics are in a module apart from the judge: they load no torch, and to change them judges no image again.
    """

    metrics: str
    measure: str | None = None


OWN = {
    "fid": Own("erasebench.judges.fid_metrics:FID", "fid"),
    "clip-score": Own("erasebench.judges.clip_score_metrics:CLIP_SCORE", "clip-score"),
    "clip-accuracy": Own("erasebench.judges.clip_accuracy_metrics:CLIP_ACCURACY", "clip-accuracy"),
    "face-id": Own("erasebench.judges.recogniser_metrics:FACE_ID", "gcd"),
    "nudenet": Own("erasebench.judges.nudenet_metrics:NUDENET", "nudenet"),
    "attributes": Own("erasebench.worlds.miniature.judges.metrics:ATTRIBUTES"),
    "artist-accuracy": Own("erasebench.worlds.miniature.judges.metrics:ARTIST_ACCURACY"),
}
"""Erasebench's own judges by name: no package's judge has one of these names."""
MEASURES = {own.measure: name for name, own in OWN.items() if own.measure is not None}
"""The judges of the protocol by what its scripts call them: the names that `erasebench score` takes."""


class HasJudges(Protocol):
    """The part of a World that says which judges it has, and opens them."""

    @property
    def judges(self) -> Collection[str]: ...

    @property
    def judge_settings(self) -> JudgeSettings: ...

    def judge(self, name: str, device: Any = "cpu") -> Judge: ...


def package_judges() -> list[str]:
    """The names of the judges that packages bring."""
    return [name for name in JUDGES.names() if name not in OWN]


def is_packages(name: str, world: HasJudges) -> bool:
    """Whether a run in `world` takes the judge `name` from a package: the world has none of that name."""
    return name not in world.judges and name in package_judges()


def load_judge(name: str) -> type[Judge]:
    """The judge that a package registers under `name`.

    UserError for an unknown name, one of erasebench's own, and a class that is not a whole judge: without metrics its
    rows would be stored, and no result would come of them.
    """
    from erasebench.api.judge import Judge

    if name in OWN:
        raise UserError(f"'{name}' is one of erasebench's own judges.", "Register the judge under another name.")
    judge: type[Judge] = load_class(JUDGES, name, Judge)
    if (wrong := _wrong(judge, name)) is not None:
        raise UserError(f"The judge {name} {wrong[0]}.", wrong[1])
    return judge


def _wrong(judge: type[Judge], name: str) -> tuple[str, str] | None:
    """What keeps a class from being used as a judge, and what to do about it."""
    if inspect.isabstract(judge):
        return f"lacks {', '.join(sorted(judge.__abstractmethods__))}", "Write them in its class."
    if getattr(judge, "name", None) != name:
        return f"is called '{getattr(judge, 'name', '')}' in its class", f"Set name = '{name}' in its class."
    if not getattr(judge, "columns", ()):
        return "names no columns", "Set `columns` in its class: the names of its columns."
    if judge.metrics is None:
        hint = "Set `metrics` in its class; erasebench.metrics.of_columns.ColumnMeans computes them from its columns."
        return "has no metrics, so its rows would give no result", hint
    if lacking := [column for column in judge.metrics.reads if column not in judge.columns]:
        columns = ", ".join(judge.columns)
        return f"has metrics of the column '{lacking[0]}', which its rows do not have", f"Its columns are {columns}."
    return None


def metrics_of(name: str, judge: object = None) -> Metrics | None:
    """What the rows of a judge add up to: its own metrics where `judge` is open, else those declared under its name.

    None for a judge that is neither erasebench's own nor a package's, and for a package's that cannot be loaded.
    """
    if (own := getattr(judge, "metrics", None)) is not None:
        found: Metrics = own
        return found
    if name in OWN:
        declared: Metrics = resolve_name(OWN[name].metrics)
        return declared
    if name not in package_judges():
        return None
    try:
        return load_judge(name).metrics
    except UserError:
        return None


def package_digest(name: str) -> str:
    """Of all that the package of a judge computes: its judge, its metrics and what they rest on."""
    return source_digest((JUDGES.module(name).partition(".")[0],))


def open_judge(name: str, world: HasJudges, device: str) -> Judge:
    """The judge that a world has under `name`, else the one that a package brings, with the world's judge settings.

    UserError as World.judge, for a setting that a package's judge does not take, and for whatever its `open` raises.
    """
    if not is_packages(name, world):
        return world.judge(name, device)
    judge = load_judge(name)
    config = world.judge_settings.of_package(name, judge.Config)
    with ending_no_program(f"The judge {name} cannot be opened"):
        return judge.open(config, device)
