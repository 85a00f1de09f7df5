"""The three stages of a job: erase, sample, judge. Each finds what is done already and makes only the rest.

No stage reaches back: sampling never trains, judging never samples.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from erasebench.api.erasure import RECORD_FILE, WEIGHTS_FILE, Erasure
from erasebench.api.groups import Group
from erasebench.console.progress import progress_bar
from erasebench.console.scrubbing import scrubbed_content
from erasebench.cost import Cost, measured, total
from erasebench.diffusion.sampling import SampleSpec
from erasebench.errors import UserError
from erasebench.files.sealed import read_sealed_json, whole, write_sealed_json
from erasebench.identity import digest
from erasebench.results.record import UNEDITED
from erasebench.runner.generate import generate, wanted
from erasebench.runner.job import Job
from erasebench.runner.ratio import measured_ratio
from erasebench.runner.session import check_unchanged, weights_of
from erasebench.runner.threads import threads
from erasebench.runner.timing import all_attempts
from erasebench.runner.work import Work
from erasebench.runner.workspace import RunWorkspace
from erasebench.store.images import ImageStore
from erasebench.store.judgements import JudgementStore, row_keys
from erasebench.store.run_folder import RunFolder

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from erasebench.api.judge import Judge
    from erasebench.prompts import PromptRow

log = logging.getLogger(__name__)

ROWS_PER_CHUNK = 256
"""Rows judged and stored at a time: what a kill can cost."""


def claim(work: Work) -> None:
    """Write the run's identity into its folder. UserError where the folder, named by a part of it, is another's."""
    job, folder = work.job, work.folder
    file, identity = folder.path / "run.json", job.erasure_identity(work.session.segmenter)
    if (known := read_sealed_json(file)) is None:
        write_sealed_json(file, identity)
    elif digest(known) != digest(identity):
        what = f"{folder.path} belongs to another run, whose identity begins with the same digits."
        raise UserError(what, "Give another --runs-folder.")


def erase(work: Work) -> tuple[Erasure, Cost]:
    """The job's erasure, trained where the folder lacks it. UserError where the segmenter that it needs is missing,
    before anything is sampled for it, and where the method left the pipeline changed.
    """
    job, folder = work.job, work.folder
    if job.chosen.name != UNEDITED and (gone := job.world.missing("prior")) is not None:
        log.warning("%s: %s", job.label, gone)
    cost_file = folder.erasure / "cost.json"
    if all(whole(folder.erasure / name) for name in (RECORD_FILE, WEIGHTS_FILE, cost_file.name)):
        return Erasure.load(folder.erasure), Cost(*json.loads(cost_file.read_text(encoding="utf-8")))
    if (missing_prompts := job.segmenter_missing) is not None:
        raise missing_prompts
    try:
        erasure, cost = _erased(work)
    except BaseException:
        # Whatever broke off may have been in the middle of changing the weights that every later job rests on.
        work.session.renew_pipeline()
        raise
    erasure = replace(erasure, record=scrubbed_content(dict(erasure.record)))
    erasure.save(folder.erasure)
    write_sealed_json(cost_file, list(cost))
    _attempts(folder).unlink(missing_ok=True)
    return erasure, cost


def _erased(work: Work) -> tuple[Erasure, Cost]:
    job, folder = work.job, work.folder
    pipeline = work.session.pipeline
    before = weights_of(pipeline)
    workspace = RunWorkspace(job.world, pipeline, job.erasing_profile, seed=job.request.seed, folder=folder.scratch)
    on = threads(job.erasing_threads)
    with measured(job.request.device) as meter, all_attempts(_attempts(folder), meter) as spent, on:
        erasure = job.chosen.method(job.chosen.config).erase(pipeline, job.task, workspace)
        cost = spent()
    hint = "A method must restore everything that it changes; otherwise every later run would measure another model."
    check_unchanged(before, pipeline, f"The method {job.chosen.name}", hint)
    return erasure, cost


def _attempts(folder: RunFolder) -> Path:
    return folder.path / "attempts.json"


@dataclass(frozen=True)
class Images:
    """A job's images: where they are, the digest of each row's, and what making them cost."""

    store: ImageStore
    by_row: dict[int, str]

    @property
    def cost(self) -> Cost:
        """Of making every image of the job, whichever run made it."""
        entries = [self.store.entries[image] for image in set(self.by_row.values())]
        return total(Cost(entry.seconds, entry.peak_memory_bytes) for entry in entries)


def sample(work: Work, erasure: Erasure) -> Images:
    """The images of every row of the job's table; those that are there and whole are left alone."""
    job = work.job
    images = Images(work.folder.images(erasure.digest), job.image_digests(erasure.digest))
    sample_rows(work, erasure, images, job.table.rows, f"{job.label}: images")
    return images


def sample_rows(work: Work, erasure: Erasure, images: Images, rows: Sequence[PromptRow], label: str) -> None:
    """Make the images of some rows of the job's table, where they are not there and whole."""
    job = work.job
    asked = wanted(rows, images.by_row, job.world.sampling)
    generate(images.store, asked, work.session.sampling_pipeline(job.profile), erasure, job.profile, label)


def sampling_ratio(work: Work, erasure: Erasure) -> float | None:
    """What sampling takes with the edit against without, both measured here and once for an erasure.

    1 for an edit of weights alone, which samples by the same operations on the same shapes. None for the unedited
    model, and under --limit, where measuring would take longer than the job.
    """
    job = work.job
    if job.chosen.name == UNEDITED or job.request.limit is not None:
        return None
    if erasure.sampling is None:
        return 1.0
    file = work.folder.path / f"sampling-ratio{job.profile.suffix}.json"
    if (known := read_sealed_json(file)) is None:
        specs = [SampleSpec(row.prompt, row.seed) for row in job.table.rows]
        pipeline = work.session.sampling_pipeline(job.profile)
        known = measured_ratio(pipeline, erasure, specs, job.world.sampling, job.profile)
        write_sealed_json(file, known)
    return float(known)


@dataclass(frozen=True)
class Judgement:
    """The rows of one judge on one group, indexed as the prompt table; `unavailable` says why there are none."""

    group: Group
    judge: str
    rows: pd.DataFrame | None
    cost: Cost
    unavailable: UserError | None = None


def judge(work: Work, images: Images) -> list[Judgement]:
    """Every judge's rows on every group that it reads, judged where the folder lacks them."""
    job, session = work.job, work.session
    judgements = []
    for group in job.table.groups:
        for name in job.suite.judges_of(group, job.world):
            found = session.judge(name)
            if isinstance(found, UserError):
                judgements.append(Judgement(group, name, None, Cost(), found))
                continue
            store = work.folder.judgements(name, session.judge_digest(name))
            rows, cost = _judged(job, found, store, images, group)
            judgements.append(Judgement(group, name, rows, cost))
    return judgements


def _judged(job: Job, judge: Judge, store: JudgementStore, images: Images, group: Group) -> tuple[pd.DataFrame, Cost]:
    table = job.table.of_group(group)
    keys = row_keys(judge, [[images.by_row[row.row], row.group, row.concept] for row in table.rows], table.frame())
    known = store.read()
    done = set() if known is None else set(known.index)
    todo = [at for at, key in enumerate(keys) if key not in done]
    if todo:
        label, before = f"{job.label}: {judge.name} on {group}", len(keys) - len(todo)
        with progress_bar(len(keys), label, "image", done_before=before) as bar:
            for start in range(0, len(todo), ROWS_PER_CHUNK):
                chunk = todo[start : start + ROWS_PER_CHUNK]
                with measured(job.request.device) as meter:
                    pictures = [images.store.load(images.by_row[table.rows[at].row]) for at in chunk]
                    judged = judge.judge(pictures, table.frame().iloc[chunk])
                    store.add([keys[at] for at in chunk], judged, meter.read())
                bar(len(chunk))
    return store.of(keys, [row.row for row in table.rows])
