"""erasebench run: the whole job."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from erasebench.cli import options


def run(
    method: Annotated[list[str], typer.Option("--method", help="A method, or path/to/file.py:Class; may be repeated.")],
    suite: Annotated[list[str], typer.Option("--suite", help="A suite, or a YAML file; may be repeated.")],
    world: options.World = "miniature",
    model: options.Model = None,
    scale: options.Scale = None,
    concepts: options.Concepts = None,
    size: Annotated[str | None, typer.Option("--size", help="small or full; default: the world's.")] = None,
    limit: options.Limit = None,
    set_: options.Settings = None,
    recipe: options.Recipe = "default",
    baselines: Annotated[str, typer.Option("--baselines", help="Methods measured first, or none.")] = "original",
    device: options.Device = "cpu",
    seed: options.Seed = 2024,
    out: Annotated[Path, typer.Option("--out", help="Folder of the leaderboard.")] = Path("leaderboard"),
    runs_folder: options.RunsFolder = Path("runs"),
) -> int:
    """Erase, sample, judge and write the board. What is done already is not done again."""
    from erasebench.runner.request import Request
    from erasebench.runner.run import run_jobs

    request = Request(
        methods=tuple(method),
        suites=tuple(suite),
        world=world,
        model=model,
        scale=scale,
        concepts=options.names(concepts),
        size=options.size(size),
        limit=limit,
        recipe=recipe,
        settings=options.settings(set_),
        baselines=() if baselines == "none" else options.names(baselines) or (),
        device=device,
        seed=seed,
        out=out,
        runs_folder=runs_folder,
    )
    summary = run_jobs(request)
    if summary.failures:
        print(f"{len(summary.failures)} of {len(summary.failures) + len(summary.records)} runs failed.")
    if summary.board is not None:
        print(f"Board: {summary.board}")
    return 1 if summary.failures else 0
