"""Where judges that packages bring are found by name; loads none of them, nor what they need, before it is asked to.

Erasebench's own judges come with a world, which has their weights: see `erasebench.api.world.World.judge`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from erasebench.api.registry import Registry, class_of, load_class
from erasebench.errors import UserError

if TYPE_CHECKING:
    from erasebench.api.judge import Judge

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
