"""Concept erasure for text-to-image models: methods, suites, judges and a leaderboard that can be rerun.

The Python API has the command line's words:

    import erasebench
    summary = erasebench.run(method="mace", suite="celebrity")
    frame = summary.to_frame()  # fractions in [0, 1], not percent; the column `unit` says which is which
    pipeline = erasebench.load_world("miniature").pipeline()
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

__version__ = "0.1.0"

if TYPE_CHECKING:
    import pandas as pd

    from erasebench.api.method import Method
    from erasebench.api.world import World
    from erasebench.runner.run import Summary
    from erasebench.scoring.report import Report

__all__ = ["__version__", "build_board", "load_method", "load_world", "run", "sample", "score"]


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
    steps: int | None = None,
    guidance: float | None = None,
    scheduler: str | None = None,
    batch_size: int | None = None,
    attack: str | Sequence[str] = (),
    attack_settings: Mapping[str, Any] | None = None,
    judge_settings: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    recipe: str = "default",
    baselines: Literal["shipped", "run", "none"] = "shipped",
    device: str = "cpu",
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
    compiled: bool = False,
    seed: int | None = None,
    repeats: int = 1,
    out: str | Path = "results",
    runs_folder: str | Path = "runs",
) -> Summary:
    """What `erasebench run` does, with the same words; `settings` is --set: {'mace.steps': 20}.

    `judge_settings` is --judge-set: {'nudenet_threshold': 0.5}; see erasebench.api.judge_settings. `attack_settings` is
    --attack-set: {'my-attack.steps': 20}.

    Returns records, failures and the board's path; metrics of unit 'fraction' lie in [0, 1].
    erasebench.errors.UserError for a mistake found before any work.
    """
    from erasebench.api.judge_settings import JudgeSettings
    from erasebench.runner.request import DEFAULT_SEED, Request, as_typed
    from erasebench.runner.run_plan import run_request

    return run_request(
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
            steps=steps,
            guidance=guidance,
            scheduler=scheduler,
            batch_size=batch_size,
            attacks=tuple(dict.fromkeys(_several(attack))),
            attack_settings={key: as_typed(value) for key, value in (attack_settings or {}).items()},
            judge_settings=JudgeSettings.checked(**(judge_settings or {})),
            recipe=recipe,
            settings={key: as_typed(value) for key, value in (settings or {}).items()},
            baselines=baselines,
            device=device,
            dtype=dtype,
            compiled=compiled,
            seed=DEFAULT_SEED if seed is None else seed,
            repeats=repeats,
            out=Path(out),
            runs_folder=Path(runs_folder),
        )
    )


def sample(
    prompts: str | Path | Sequence[str],
    out: str | Path,
    *,
    erasure: str | Path | None = None,
    world: str = "miniature",
    model: str | None = None,
    limit: int | None = None,
    sampling: Literal["released", "i2p-rows"] = "released",
    seed: int | None = None,
    steps: int | None = None,
    guidance: float | None = None,
    scheduler: str | None = None,
    batch_size: int | None = None,
    device: str = "cpu",
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
    compiled: bool = False,
) -> pd.DataFrame:
    """Images of a prompt table (a path) or of a list of prompts, written to the folder `out`, as `erasebench sample`.

    `seed`: where the prompts bring none, the first one's (default 1 for a list); the next ones count on.
    Returns the table with one more column, `file`: each row's image in `out`, '' where the model gave NaN or infinity.
    erasebench.errors.UserError for a table, model or erasure that cannot be used, and under torchrun in each process
    but the last: only that one has the whole table.
    """
    from erasebench.api.world import load_world as load
    from erasebench.prompts import PromptRow, PromptTable, read_csv
    from erasebench.runner.request import by_own_settings, sampling_given

    given = sampling_given(steps, guidance, scheduler, batch_size)
    own = by_own_settings(sampling)
    if isinstance(prompts, str | Path):
        table = read_csv(Path(prompts), first_seed=seed)
    else:
        first = 1 if seed is None else seed
        table = PromptTable(
            tuple(PromptRow(at, "general", "", prompt, first + at) for at, prompt in enumerate(prompts))
        )
    opened = load(world, model)
    opened.sample_with(given)
    from erasebench.runner.sample import read_listing, rows_to_sample, sample_table
    from erasebench.scoring.listing import LISTING

    table = rows_to_sample(str(prompts), table, own) if isinstance(prompts, str | Path) else table
    table = table if limit is None else table.limited(limit)
    made = sample_table(opened, table, Path(out), None if erasure is None else Path(erasure), device, dtype, compiled)
    if not made.listed:
        from erasebench.errors import UserError

        raise UserError(
            f"{Path(out) / LISTING} is not written yet: other processes of this launch are still sampling.",
            "The process that finishes last writes it. Call erasebench.sample again after that to get the whole table.",
        )
    return read_listing(Path(out) / LISTING)


def score(
    folder: str | Path,
    judge: str | Sequence[str],
    *,
    prompts: str | Path | None = None,
    world: str | None = None,
    judge_settings: Mapping[str, Any] | None = None,
    convert: bool = False,
    device: str = "cpu",
) -> Report:
    """Judge the images in `folder`, as `erasebench score`; `judge_settings` as for `run`.

    Returns metrics with intervals (fractions in [0, 1]) and a row for each image. erasebench.errors.UserError as there.
    """
    from erasebench.api.judge_settings import JudgeSettings
    from erasebench.api.world import load_world as load
    from erasebench.api.world import world_of_size
    from erasebench.scoring.report import check_request, score_folder

    judges = _several(judge)
    check_request(judges, None)
    opened = load(world or world_of_size("full"))
    opened.judge_with(JudgeSettings.checked(**(judge_settings or {})))
    table = None if prompts is None else Path(prompts)
    return score_folder(Path(folder), judges, opened, prompts=table, device=device, convert=convert)


def build_board(folder: str | Path = "results") -> Path:
    """Rebuild the pages of the board in `folder` from its records, as `erasebench board`; the path of its README.md.

    erasebench.errors.UserError where the folder holds no record.
    """
    from erasebench.board import write_board
    from erasebench.runner.versions import todays_version

    return write_board(Path(folder), version_of=todays_version)


def load_world(name: str, model: str | None = None) -> World:
    """The world `name`; `.pipeline()` gives its diffusers pipeline."""
    from erasebench.api.world import load_world as load

    return load(name, model)


def load_method(name: str) -> type[Method]:
    """The method class `name`, or the one that 'path/to/file.py:Class' names."""
    from erasebench.api.method import load_method as load

    return load(name)


def _several(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)
