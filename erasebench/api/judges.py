"""Where judges that packages bring are found by name; loads none of them, nor what they need, before it is asked to.

Erasebench's own judges come with a world, which has their weights: see `erasebench.api.world.World.judge`.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from erasebench.api.registry import Registry, class_of, ending_no_program, load_class
from erasebench.errors import UserError
from erasebench.files.source import source_digest

if TYPE_CHECKING:
    from erasebench.api.judge import Judge
    from erasebench.api.judge_metrics import Metrics
    from erasebench.api.world import World

JUDGES: Registry[type[Judge]] = Registry("judge", "erasebench.judges", class_of)
RESERVED = frozenset(("face-id", "attributes", "clip-score", "clip-accuracy", "artist-accuracy", "fid", "nudenet"))
"""Names of erasebench's own judges, whose metrics follow the published protocol: no package's judge has one."""


def package_judges() -> list[str]:
    """The names of the judges that packages bring."""
    return [name for name in JUDGES.names() if name not in RESERVED]


def is_packages(name: str, world: World) -> bool:
    """Whether a run in `world` takes the judge `name` from a package: the world has none of that name."""
    return name not in world.judges and name in package_judges()


def load_judge(name: str) -> type[Judge]:
    """The judge that a package registers under `name`.

    UserError for an unknown name, one of erasebench's own, and a class that is not a whole judge: without metrics its
    rows would be stored, and no result would come of them.
    """
    from erasebench.api.judge import Judge

    if name in RESERVED:
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
    return None


def metrics_of(name: str) -> Metrics | None:
    """The metrics of a package's judge; None for any other judge, and for one that cannot be loaded."""
    if name not in package_judges():
        return None
    try:
        return load_judge(name).metrics
    except UserError:
        return None


def package_digest(name: str) -> str:
    """Of all that the package of a judge computes: its judge, its metrics and what they rest on."""
    return source_digest((JUDGES.module(name).partition(".")[0],))


def open_judge(name: str, world: World, device: str) -> Judge:
    """The judge that a world has under `name`, else the one that a package brings, with the world's judge settings.

    UserError as World.judge, for a setting that a package's judge does not take, and for whatever its `open` raises.
    """
    if not is_packages(name, world):
        return world.judge(name, device)
    judge = load_judge(name)
    config = world.judge_settings.of_package(name, judge.Config)
    with ending_no_program(f"The judge {name} cannot be opened"):
        return judge.open(config, device)
