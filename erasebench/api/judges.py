"""Where judges that packages bring are found by name; loads none of them, nor what they need, before it is asked to.

Erasebench's own judges come with a world, which has their weights: see `erasebench.api.world.World.judge`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from erasebench.api.registry import Registry, class_of, load_class
from erasebench.errors import UserError

if TYPE_CHECKING:
    from erasebench.api.judge import Judge
    from erasebench.api.world import World

JUDGES: Registry[type[Judge]] = Registry("judge", "erasebench.judges", class_of)


def load_judge(name: str) -> type[Judge]:
    """The judge that a package registers under `name`. UserError for an unknown name and for a class that is no judge
    with metrics: its rows would be stored and nothing would come of them."""
    from erasebench.api.judge import Judge

    judge: type[Judge] = load_class(JUDGES, name, Judge)
    if judge.metrics is None:
        raise UserError(
            f"The judge {name} brings no metrics: nothing would come of its rows.",
            "Set `metrics` in its class; erasebench.metrics.of_columns.ColumnMeans makes them of its columns.",
        )
    return judge


def open_judge(name: str, world: World, device: str) -> Judge:
    """The judge that a world has under `name`, else the one that a package brings, with the world's judge settings.

    UserError as World.judge, for a setting that a package's judge does not take, and for weights that it lacks.
    """
    if name in world.judges or name not in JUDGES.names():
        return world.judge(name, device)
    judge = load_judge(name)
    return judge.open(world.judge_settings.of_package(name, judge.Config), device)
