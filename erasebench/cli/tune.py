"""erasebench tune: try a method's settings on the miniature's validation split."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from erasebench.cli import options
from erasebench.errors import UserError, did_you_mean


def tune(
    trials: Annotated[Path, typer.Option("--trials", help="YAML file: kind: {method: [{field: value}, ...]}.")],
    method: Annotated[
        list[str] | None, typer.Option("--method", help="Only this method of the file; may be repeated.")
    ] = None,
    kind: Annotated[list[str] | None, typer.Option("--kind", help="Only this kind; may be repeated.")] = None,
    scale: options.Scale = None,
    device: options.Device = "cpu",
    out: Annotated[Path, typer.Option("--out", help="The table to write, CSV.")] = Path("tuning.csv"),
    runs_folder: options.RunsFolder = Path("runs"),
) -> int:
    """Try each method's settings on names, seeds and prompts that no suite uses, and write which did best."""
    from erasebench.tuning.trials import read_trials, write_table

    asked = read_trials(trials)
    for given, known in ((method, {name for _, name in asked}), (kind, {each for each, _ in asked})):
        for word in given or ():
            if word not in known:
                raise UserError(f"{trials} has no trials of '{word}'.", did_you_mean(word, known))
    chosen = {
        (each, name): settings
        for (each, name), settings in asked.items()
        if (not kind or each in kind) and (not method or name in method)
    }
    from erasebench.tuning.tune import tune as try_all

    outcomes = []
    for (each, name), settings in chosen.items():
        one_scale = scale if each in ("person", "style") else None
        outcomes += try_all(name, each, settings, scale=one_scale, device=device, runs_folder=runs_folder)
        write_table(out, outcomes)
    print(f"Table: {out}")
    return 0
