"""Concept erasure for text-to-image models: methods, suites, judges and a leaderboard that can be rerun.

The Python API has the command line's words:

    import erasebench
    summary = erasebench.run(method="mace", suite="celebrity")
    pipeline = erasebench.load_world("miniature").pipeline()
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

__version__ = "0.1.0"

if TYPE_CHECKING:
    from erasebench.method import Method
    from erasebench.runner.run import Summary
    from erasebench.world import World

__all__ = ["__version__", "build_board", "load_method", "load_world", "run"]


def run(
    method: str | Sequence[str],
    suite: str | Sequence[str],
    *,
    world: str = "miniature",
    model: str | None = None,
    scale: int | None = None,
    concepts: Sequence[str] | None = None,
    anchor: str | Sequence[str] | None = None,
    size: Literal["small", "full"] | None = None,
    limit: int | None = None,
    sampling: Literal["released", "i2p-rows"] = "released",
    judge_settings: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    recipe: str = "default",
    baselines: Literal["shipped", "run", "none"] = "shipped",
    device: str = "cpu",
    seed: int | None = None,
    repeats: int = 1,
    out: str | Path = "results",
    runs_folder: str | Path = "runs",
) -> Summary:
    """What `erasebench run` does, with the same words; `settings` is --set: {'mace.steps': 20}.

    `judge_settings` is --judge-set: {'nudenet_threshold': 0.5}; see erasebench.judge_settings.

    Returns records, failures and the board's path. erasebench.errors.UserError for a mistake found before any work.
    """
    from erasebench.judge_settings import JudgeSettings
    from erasebench.runner.request import DEFAULT_SEED, Request, as_typed
    from erasebench.runner.run import run_jobs

    return run_jobs(
        Request(
            methods=_several(method),
            suites=_several(suite),
            world=world,
            model=model,
            scale=scale,
            concepts=None if concepts is None else _several(concepts),
            anchors=None if anchor is None else _several(anchor),
            size=size,
            limit=limit,
            sampling=sampling,
            judge_settings=JudgeSettings.checked(**(judge_settings or {})),
            recipe=recipe,
            settings={key: as_typed(value) for key, value in (settings or {}).items()},
            baselines=baselines,
            device=device,
            seed=DEFAULT_SEED if seed is None else seed,
            repeats=repeats,
            out=Path(out),
            runs_folder=Path(runs_folder),
        )
    )


def build_board(folder: str | Path = "results") -> Path:
    """Rebuild the pages of the board in `folder` from its records, as `erasebench board`; the path of its README.md.

    erasebench.errors.UserError where the folder holds no record.
    """
    from erasebench.board import write_board

    return write_board(Path(folder))


def load_world(name: str, model: str | None = None) -> World:
    """The world `name`; `.pipeline()` gives its diffusers pipeline."""
    from erasebench.registry import load_world as load

    return load(name, model)


def load_method(name: str) -> type[Method]:
    """The method class `name`, or the one that 'path/to/file.py:Class' names."""
    from erasebench.registry import load_method as load

    return load(name)


def _several(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)
