"""erasebench erase and sample: the parts of a run that make something, on their own."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from erasebench.cli import options
from erasebench.console.interruption import check_interrupted
from erasebench.console.scrubbing import failure_text
from erasebench.errors import UserError

log = logging.getLogger(__name__)

WRITTEN = {"folder": "Pipeline", "weights": "Weights", "single-file": "Model"}
"""What an export is called in what is printed."""


def erase(
    method: Annotated[str, typer.Option("--method", help="A method, or path/to/file.py:Class.")],
    suite: Annotated[str, typer.Option("--suite", help="The suite whose names are erased.")],
    export: Annotated[
        Path,
        typer.Option(
            "--export",
            metavar="FOLDER|FILE.safetensors",
            help="Where to write the edited model: a folder for diffusers, or a file.",
        ),
    ],
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="Of a FILE.safetensors: weights, only those that changed (default); single-file: the whole model, as "
            "web UIs load it.",
        ),
    ] = None,
    world: options.World = "miniature",
    model: options.Model = None,
    scale: options.Scale = None,
    concepts: options.Concepts = None,
    anchor: options.Anchor = None,
    set_: options.Settings = None,
    recipe: options.Recipe = "default",
    steps: options.Steps = None,
    guidance: options.Guidance = None,
    scheduler: options.Scheduler = None,
    batch_size: options.BatchSize = None,
    device: options.Device = "cpu",
    seed: options.Seed = 2024,
    runs_folder: options.RunsFolder = Path("runs"),
) -> None:
    """Train an erasure and export the edited model; a later run of the same job reuses the erasure."""
    from erasebench.api.export import check_destination, checked_format
    from erasebench.runner.job import plan
    from erasebench.runner.request import Request

    written_as = checked_format(export, format_)
    check_destination(export)
    request = Request(
        methods=(method,),
        suites=(suite,),
        world=world,
        model=model,
        scale=scale,
        concepts=options.names(concepts),
        anchors=options.anchors(anchor),
        recipe=recipe,
        steps=steps,
        guidance=guidance,
        scheduler=scheduler,
        batch_size=batch_size,
        settings=options.settings(set_),
        baselines="none",
        device=device,
        seed=seed,
        runs_folder=runs_folder,
    )
    jobs = plan(request, measured=False)
    if len(jobs) > 1:
        names = ", ".join(job.selection.erased[0] for job in jobs)
        raise UserError(f"The suite {suite} erases one concept at a time: {names}.", "Choose one with --concepts NAME.")
    (job,) = jobs
    if job.world.stands_in("model"):
        # Its mark is in the files' own headers, which an export writes anew.
        raise UserError("The model is a stand-in: an export of it would pass for a model.", "Give --model a real one.")
    from erasebench.runner import stages
    from erasebench.runner.session import Session
    from erasebench.runner.work import Work

    session = Session(job.world, device)
    if written_as == "single-file":
        from erasebench.families.file_export import exported_kind

        exported_kind(session.pipeline)
    work = Work(job, session)
    folder = work.folder
    with _failing_as(job.label), folder.locked():
        stages.claim(work)
        erasure, _ = stages.erase(work)
    print(f"Erasure: {folder.erasure}")
    with _failing_as(f"The export to {export}", UserError):
        if written_as == "weights":
            erasure.export_tensors(export)
        elif written_as == "single-file":
            from erasebench.families.file_export import export_file

            export_file(erasure, session.pipeline, export)
        else:
            erasure.export(session.pipeline, export, job.erased_with(session.segmenter))
    print(f"{WRITTEN[written_as]}: {export}")


def sample(
    prompts: Annotated[Path, typer.Option("--prompts", help="A prompt table; see prompts_csv/README.md.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the images and images.csv.")],
    erasure: Annotated[Path | None, typer.Option("--erasure", help="Folder of a saved erasure.")] = None,
    world: options.World = "miniature",
    model: options.Model = None,
    limit: options.Limit = None,
    sampling: options.Sampling = "released",
    seed: options.FirstSeed = None,
    steps: options.Steps = None,
    guidance: options.Guidance = None,
    scheduler: options.Scheduler = None,
    batch_size: options.BatchSize = None,
    device: Annotated[
        str | None, typer.Option("--device", help="cpu or cuda; default: cpu; under accelerate the GPU of the process.")
    ] = None,
    dtype: options.Precision = "auto",
    compiled: options.Compiled = False,
) -> None:
    """Sample the images of a prompt table; under `accelerate launch` each process samples its share."""
    from erasebench.api.world import load_world
    from erasebench.prompts import read_csv
    from erasebench.runner.request import by_own_settings, sampling_given

    given = sampling_given(steps, guidance, scheduler, batch_size)
    own = by_own_settings(sampling)
    table = read_csv(prompts, first_seed=seed)
    opened = load_world(world, model)
    opened.sample_with(given)
    from erasebench.runner.sample import rows_to_sample, sample_table
    from erasebench.scoring.listing import LISTING

    table = rows_to_sample(prompts, table, own)
    with _failing_as("sample", UserError):
        made = sample_table(
            opened, table if limit is None else table.limited(limit), out, erasure, device, dtype, compiled
        )
    print(f"Images: {out / LISTING if made.listed else f'{out}; {LISTING} comes from the process that finishes last.'}")
    if made.broken:
        print(
            f"{made.broken} of {made.asked} images could not be sampled: the model gave NaN or infinity for them. "
            "Their rows have no file. Check the weights of the model and of the erasure.",
            file=sys.stderr,
        )
        raise typer.Exit(1)


@contextmanager
def _failing_as(label: str, *mistakes: type[Exception]) -> Iterator[None]:
    """What breaks off inside ends the command with exit code 1 and a line, as a run does; `mistakes` pass."""
    from erasebench.runner.run import EXPECTED

    try:
        yield
    except mistakes:
        raise
    except (KeyboardInterrupt, typer.Exit):
        raise
    except BaseException as error:
        check_interrupted(error)
        log.log(logging.DEBUG if isinstance(error, EXPECTED) else logging.ERROR, "The traceback:", exc_info=error)
        print(f"{label} failed: {failure_text(error)}", file=sys.stderr)
        raise typer.Exit(1) from error
