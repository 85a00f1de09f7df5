"""What a request would make, how long and how large that is, and what is missing for it; nothing is loaded or made."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from erasebench.api.world import SamplingDefaults, World
from erasebench.board.shipped import shipped_records
from erasebench.errors import UserError
from erasebench.prompts import PromptRow
from erasebench.results.record import UNEDITED
from erasebench.runner.baselines import may_be_shown
from erasebench.runner.job import Job, plan
from erasebench.runner.request import Request
from erasebench.runner.sheet_rows import sheet_rows
from erasebench.store.images import ImageStore

BYTES_PER_PIXEL = 1.7
"""Of a PNG of a picture; noise would take 3."""


class Measured(NamedTuple):
    """Of images made before in this world: seconds and bytes of one, and how many there are."""

    seconds: float
    size: float
    images: int


def forecast(request: Request, rate: float | None = None) -> str:
    """The plan of a request: images, disk, hours at `rate` images a second (None: as measured), all that is missing.

    Torch is not loaded, nor any network. UserError as `plan`, and for a rate that is none.
    """
    return forecast_all([request], rate)


def forecast_all(requests: Sequence[Request], rate: float | None = None) -> str:
    """The same of several requests that share their world, such as a plan file's: what they share is counted once."""
    if rate is not None and not rate > 0:
        raise UserError(f"--rate {rate} is not above 0.", "Give a number of images per second, such as --rate 2.")
    asked = [job for request in requests for job in plan(request, forecast=True)]
    # What two requests both ask for is run once.
    jobs = list(
        {(_maker(job), job.suite.digest, job.table.digest, str(job.attack_identity)): job for job in asked}.values()
    )
    if not jobs:
        raise UserError("There is nothing to plan.", "Give --method and --suite.")
    world = jobs[0].world
    known = measured(jobs[0].request.runs_folder / world.name / "images")
    shipped = shipped_records() if any(job.request.shown_beside for job in jobs) else []
    shown = [job for own in may_be_shown(jobs, shipped) for job in own]
    lines = [_shown_line(job) if job in shown else _line(job) for job in jobs]
    jobs = [job for job in jobs if job not in shown]
    total, size = images_of(jobs), disk_of(jobs, sampling_of(world), known)
    lines.append(f"Images in total: {total:,} (images that runs share are made once).")
    lines.append(_disk(size, jobs[0].request.runs_folder))
    lines.append(_hours(total, rate, known))
    return "\n".join([*lines, *_missing(jobs)])


def _missing(jobs: Sequence[Job]) -> list[str]:
    """All that is missing, each once, under what provides it: one file may be all that several judges want."""
    by_hint: dict[str, list[str]] = {}
    for error in lacking(jobs):
        if error.what not in (known := by_hint.setdefault(error.hint, [])):
            known.append(error.what)
    if not by_hint:
        return ["Nothing is missing."]
    listed = [line for hint, whats in by_hint.items() for line in (*(f"- {what}" for what in whats), f"  {hint}")]
    return ["Missing, and how to get it:", *listed]


def images_of(jobs: Sequence[Job]) -> int:
    """How many images have to be made: the unedited model's once for all jobs, every erasure's for its own."""
    return len(_images(jobs)) + _missing_prompts(jobs)


def disk_of(jobs: Sequence[Job], sampling: SamplingDefaults, known: Measured | None) -> float:
    """Bytes that the images take."""
    pixels = sampling.width * sampling.height
    of_one = known.size if known else pixels * BYTES_PER_PIXEL
    sides = [(row.width or sampling.width, row.height or sampling.height) for row in _images(jobs).values()]
    return of_one * (sum(width * height for width, height in sides) / pixels + _missing_prompts(jobs))


def _maker(job: Job) -> tuple[object, ...]:
    """What makes a job's images: the unedited model, or one erasure: a plan may give a method several settings."""
    if job.chosen.name == UNEDITED:
        return (UNEDITED,)
    return job.label, job.chosen.config.model_dump_json(), job.selection.erased, job.selection.seen


def _images(jobs: Sequence[Job]) -> dict[tuple[object, ...], PromptRow]:
    own = {(_maker(job), row.prompt, row.seed, *row.own.items()): row for job in jobs for row in job.table.rows}
    # Contact sheets show the unedited model beside the edited one.
    sheets = (job for job in jobs if job.request.baselines == "shipped" and job.chosen.name != UNEDITED)
    own |= {((UNEDITED,), row.prompt, row.seed, *row.own.items()): row for job in sheets for row in sheet_rows(job)}
    # What an attack will write is not known yet: a prompt of its own for each row, as far as anybody can tell.
    return own | {
        (_maker(job), each.name, each.config.model_dump_json(), row.prompt, row.seed, *row.own.items()): row
        for job in jobs
        for each in job.attacks
        for row in job.table.of_group(each.group).rows
    }


def _missing_prompts(jobs: Sequence[Job]) -> int:
    """Images of prompts that have yet to be imported; each set counts once for each model that samples it."""
    sets = {
        (_maker(job), job.suite.prompt_sets[group]): gone.expected
        for job in jobs
        for group, gone in job.missing_prompts.items()
    }
    limit = jobs[0].request.limit
    return sum(expected if limit is None else min(limit, expected) for expected in sets.values())


def lacking(jobs: Iterable[Job]) -> Iterable[UserError]:
    """Everything that keeps a job from being done whole, each with its hint."""
    for job in jobs:
        yield from _found([*(job.world.missing(what) for what in _needs(job)), job.segmenter_missing])
        yield from (gone.error for gone in job.missing_prompts.values())


def _needs(job: Job) -> list[str]:
    prior = ["prior"] if job.chosen.name != UNEDITED else []
    return ["model", *prior, *job.suite.all_judges(job.world)]


def _found(errors: Iterable[UserError | None]) -> Iterable[UserError]:
    return (error for error in errors if error is not None)


def measured(folder: Path) -> Measured | None:
    """The mean over all images whose ledgers lie below `folder`; None where there are none."""
    ledgers = [ImageStore(path.parent).entries.values() for path in sorted(folder.glob("*/ledger.jsonl"))]
    made = [entry for entries in ledgers for entry in entries if entry.size is not None and entry.seconds > 0]
    if not made:
        return None
    n = len(made)
    return Measured(sum(entry.seconds for entry in made) / n, sum(entry.size or 0 for entry in made) / n, n)


def sampling_of(world: World) -> SamplingDefaults:
    """How the world's model will be sampled, as far as it is known before the model is there."""
    if world.usual_sampling is not None and world.missing("model") is not None:
        return world.usual_sampling.model_copy(update=world.sampling_given)
    return world.sampling


def _shown_line(job: Job) -> str:
    return f"{job.label}, {job.size} size: shown from a shipped record if its judges are the same, else run"


def _line(job: Job) -> str:
    counts = {group: len(job.table.of_group(group).rows) for group in job.table.groups}
    missing_prompts = {group: gone.expected for group, gone in job.missing_prompts.items()}
    parts = [f"{n:,} {group}" for group, n in counts.items()]
    parts += [f"{n:,} {group} (not there yet)" for group, n in missing_prompts.items()]
    parts += [f"{counts.get(each.group, 0):,} {each.group} under {each.name}" for each in job.attacks]
    settings = "".join(f" {key}={value}" for key, value in job.request.settings.items())
    return f"{job.label}{settings}, {job.size} size: {', '.join(parts)}"


def _disk(size: float, folder: Path) -> str:
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    tight = "" if size < free else " This is more than is free: give a --runs-folder on a larger disk."
    return f"Disk: {size / 1e9:.{1 if size >= 1e9 else 3}f} GB of images; {free / 1e9:.1f} GB are free.{tight}"


def _hours(images: int, rate: float | None, known: Measured | None) -> str:
    if rate is None and known is None:
        return (
            "Hours: not known yet; give --rate, or measure it: the same command with --limit 8 and without --dry-run."
        )
    how = f"at {rate:g} images per second" if rate is not None else ""
    if rate is None and known is not None:
        rate = 1 / known.seconds
        how = f"at {rate:.2g} images per second, the mean over {known.images:,} images made here"
    hours = images / (rate or 1) / 3600
    return f"Hours: {hours:.{1 if hours >= 1 else 2}f} of sampling {how}, plus erasing and judging."
