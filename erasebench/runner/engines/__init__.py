"""Where the units of a run are worked on: one file for each engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from erasebench.errors import UserError, did_you_mean
from erasebench.runner.engines.engine import Engine
from erasebench.runner.engines.local import Local

ENGINES: Mapping[str, Callable[[int], Engine]] = {"local": Local}
"""By name, what makes an engine of a number of workers."""


def engine_of(name: str, workers: int = 1) -> Engine:
    """The engine of this name. UserError for one that there is not."""
    if name not in ENGINES:
        raise UserError(f"There is no engine '{name}'.", did_you_mean(name, ENGINES))
    return ENGINES[name](workers)
