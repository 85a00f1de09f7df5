"""erasebench tune: try a method's settings on the miniature's validation split."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from erasebench.cli import options


def tune_(
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
    """Try settings on the validation split and write which were best; other methods' rows stay in the table."""
    from erasebench.tuning.trials import chosen_of, read_settings

    chosen = chosen_of(trials, read_settings(trials), method or (), kind or ())
    from erasebench.files.atomic import check_writable
    from erasebench.results.trials import read_trials, write_trials
    from erasebench.tuning.tune import requests_of, tune

    if out.exists():
        read_trials(out)
    for place in (out.parent, runs_folder):
        check_writable(place)
    # Names have scales; explicit content is four words, and objects are erased one at a time.
    scales = {each: scale if each in ("person", "style") else None for each, _ in chosen}
    for (each, name), settings in chosen.items():
        requests_of(name, each, settings, scale=scales[each], device=device, runs_folder=runs_folder)
    failed = 0
    for (each, name), settings in chosen.items():
        tried = tune(name, each, settings, scale=scales[each], device=device, runs_folder=runs_folder)
        failed += sum(trial.metrics == "failed" for trial in tried)
        write_trials(out, tried)
    print(f"Table: {out}")
    if failed:
        print(f"{failed} trials failed.")
    return 1 if failed else 0
