"""erasebench run: the whole job."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from erasebench.cli import options
from erasebench.errors import UserError


def run(
    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method", help="A method, or path/to/file.py:Class; may be repeated.", rich_help_panel=options.ASKED
        ),
    ] = None,
    suite: Annotated[
        list[str] | None,
        typer.Option("--suite", help="A suite, or a YAML file; may be repeated.", rich_help_panel=options.ASKED),
    ] = None,
    plan: Annotated[
        Path | None,
        typer.Option(
            "--plan", help="YAML file of many runs, instead of --method and --suite.", rich_help_panel=options.ASKED
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers", help="For --plan: processes side by side on the CPU; default 1.", rich_help_panel=options.ASKED
        ),
    ] = None,
    world: options.World = "miniature",
    model: options.Model = None,
    scale: options.Scale = None,
    concepts: options.Concepts = None,
    anchor: options.Anchor = None,
    size: Annotated[
        str | None, typer.Option("--size", help="small or full; default: the world's.", rich_help_panel=options.ASKED)
    ] = None,
    limit: options.Limit = None,
    sampling: options.Sampling = "released",
    steps: options.Steps = None,
    guidance: options.Guidance = None,
    scheduler: options.Scheduler = None,
    batch_size: options.BatchSize = None,
    set_: options.Settings = None,
    recipe: options.Recipe = "default",
    baselines: Annotated[
        str,
        typer.Option(
            "--baselines",
            help="shipped: the unedited model, uce and esd-x are shown from shipped records that fit; the unedited "
            "model is run where none fits; run: all three are run; none.",
            rich_help_panel=options.ASKED,
        ),
    ] = "shipped",
    device: options.Device = "cpu",
    dtype: options.Precision = "auto",
    compiled: options.Compiled = False,
    seed: options.Seed = 2024,
    repeats: options.Repeats = 1,
    attack: options.Attack = None,
    attack_set: options.AttackSet = None,
    judge_set: options.JudgeSet = None,
    gcd_resources: Annotated[
        Path | None,
        typer.Option(
            "--gcd-resources", help="Resources folder of the celebrity detector.", rich_help_panel=options.JUDGING
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(
            "--out", help="Folder of the board, its records and contact sheets.", rich_help_panel=options.WHERE
        ),
    ] = Path("results"),
    runs_folder: options.RunsFolder = Path("runs"),
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show what would be made and what is missing.", rich_help_panel=options.ASKED),
    ] = False,
    rate: Annotated[
        float | None,
        typer.Option(
            "--rate",
            help="For --dry-run: images per second; default: as measured in earlier runs.",
            rich_help_panel=options.ASKED,
        ),
    ] = None,
) -> int:
    """Erase, sample, judge and write the board. Finished work is not repeated."""
    from erasebench.api.judge_settings import JudgeSettings
    from erasebench.runner.request import Request

    words = {
        "--method": method,
        "--suite": suite,
        "--scale": scale,
        "--concepts": concepts,
        "--anchor": anchor,
        "--set": set_,
    }
    _check_asked(plan, words | {"--recipe": recipe if recipe != "default" else None}, workers)
    request = Request(
        methods=tuple(method or ()),
        suites=tuple(suite or ()),
        world=world,
        model=model,
        scale=scale,
        concepts=options.names(concepts),
        anchors=options.anchors(anchor),
        size=options.size(size),
        limit=limit,
        sampling=sampling,
        steps=steps,
        guidance=guidance,
        scheduler=scheduler,
        batch_size=batch_size,
        judge_settings=JudgeSettings.from_pairs(judge_set or (), gcd_resources=gcd_resources),
        attacks=tuple(dict.fromkeys(attack or ())),
        attack_settings=options.settings(attack_set, "--attack-set", "attack", "my-attack.steps=20"),
        recipe=recipe,
        settings=options.settings(set_),
        baselines=baselines,
        device=device,
        dtype=dtype,
        compiled=compiled,
        seed=seed,
        repeats=repeats,
        out=out,
        runs_folder=runs_folder,
    )
    if rate is not None and not dry_run:
        raise UserError(
            "--rate is an option of a dry run: the images per second from which it computes the hours.",
            "Give --dry-run with it, or leave it out.",
        )
    if dry_run:
        from erasebench.runner.forecast import forecast_all
        from erasebench.runner.plan_file import read_plan

        print(forecast_all([request] if plan is None else read_plan(plan, request), rate))
        return 0
    if plan is not None:
        from erasebench.runner.plan_file import read_plan
        from erasebench.runner.run_plan import run_plan

        summary = run_plan(read_plan(plan, request), 1 if workers is None else workers)
    else:
        from erasebench.runner.run_plan import run_request

        summary = run_request(request)
    if summary.records:
        from erasebench.board.short import terminal_table
        from erasebench.board.stand_ins import with_stand_ins

        if table := terminal_table(summary.beside(), summary.yours):
            print(table)
        if note := with_stand_ins(summary.records):
            print(note)
            for record in filter(lambda each: each.stand_ins, summary.records):
                print(f"Record: {out / 'results' / record.id}.json")
    if summary.failures:
        print(f"{len(summary.failures)} of {len(summary.failures) + len(summary.records)} runs failed.")
    if summary.board is not None:
        print(f"Board: {summary.board}")
    return 1 if summary.failures else 0


def _check_asked(plan: Path | None, words: Mapping[str, object], workers: int | None) -> None:
    """UserError unless either a plan or methods and suites are given."""
    if plan is None and (missing := [flag for flag in ("--method", "--suite") if not words[flag]]):
        raise UserError(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing.", "See erasebench run --help."
        )
    if plan is None and workers is not None:
        raise UserError("--workers is for --plan.", "Write the runs into a plan, or leave --workers out.")
    if plan is not None and (given := [flag for flag, value in words.items() if value not in (None, [])]):
        raise UserError(f"--plan replaces {', '.join(given)}.", "Write it into the plan, or leave --plan out.")
