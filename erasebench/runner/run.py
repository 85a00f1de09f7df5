"""Run every job of a request: what is finished is left alone, what was begun goes on, a failure stays alone."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from erasebench.api.method import load_method
from erasebench.board import write_board
from erasebench.console.interruption import check_interrupted
from erasebench.console.scrubbing import failure_text
from erasebench.errors import UserError
from erasebench.files.atomic import check_writable, remove_leftovers
from erasebench.results.record import Record
from erasebench.runner.average import Average, averaged, averages
from erasebench.runner.batch_size import on_gpu
from erasebench.runner.cache import finished, publish, sheet_of
from erasebench.runner.job import Job, plan
from erasebench.runner.repeats import is_repeated, sets_of_repeats, taken_together
from erasebench.runner.request import Request
from erasebench.runner.versions import todays_version
from erasebench.store.run_folder import BusyError

if TYPE_CHECKING:
    import pandas as pd

    from erasebench.runner.session import Session

log = logging.getLogger(__name__)

EXPECTED = (UserError, ArithmeticError, MemoryError, OSError, RuntimeError, ValueError)
"""What a model or a machine does to a job, said in a line. Anything else is a mistake: its traceback is shown."""


@dataclass
class Summary:
    """What a run came to: its records in order, the shipped ones shown beside, the failures, and where the board is."""

    records: list[Record] = field(default_factory=list)
    shipped: list[Record] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    board: Path | None = None
    yours: tuple[str, ...] = ()
    """Ids of the records of the methods that were asked for, baselines apart; of a plan none."""

    def beside(self) -> list[Record]:
        """The records, and those on the same board that they can be compared with, of each job the newest alone."""
        from erasebench.board.build import read_records
        from erasebench.board.newest import shown, written_at

        own = {record.id: record for record in (*self.shipped, *self.records)}
        if self.board is None or not self.yours:
            return list(own.values())
        folder = self.board.parent / "results"
        there = read_records(folder)[0]
        records = {record.id: record for record in there} | own
        return shown(records.values(), written_at(folder, there), self.yours)

    def to_frame(self) -> pd.DataFrame:
        """One row a record and metric, shipped records last; units: `erasebench.results.frames`."""
        from erasebench.results.frames import records_frame

        return records_frame([*self.records, *self.shipped])

    def _repr_html_(self) -> str:
        from erasebench.results.frames import as_html

        return as_html(self.to_frame())


def run_jobs(request: Request, *, board: bool = True) -> Summary:
    """Run a request and write its records, contact sheets and board. UserError for a mistake found before any work.

    `board`: False where the caller writes it, once for many requests.
    """
    jobs = plan(request)
    for place in (request.out, request.runs_folder):
        check_writable(place)
    for place in (request.out, request.out / "results", request.out / "sheets"):
        remove_leftovers(place, below=False)
    for world in {job.world.name for job in jobs}:
        remove_leftovers(request.runs_folder / world)
    # Missing weights are a mistake to be found before any work, not the failure of one job.
    for asked in {job.world.name: job.world for job in jobs}.values():
        asked.weights_digest()
    session, jobs = _fitted(jobs)
    summary = Summary()
    done: dict[str, Record] = {}
    checked = False
    from erasebench.board.shipped import shipped_records
    from erasebench.runner.baselines import are_shown, may_be_shown, show_shipped

    # The unedited model is run last, and only where no shipped records stand in the tables of what was run.
    shipped = shipped_records() if request.shown_beside else []
    waiting = may_be_shown(jobs, shipped)
    shown = {job.label for own in waiting for job in own}
    for own in [*((job,) for job in jobs if job.label not in shown), *waiting]:
        if own in waiting and are_shown(own, done.values(), shipped):
            continue
        shown -= {job.label for job in own}
        for job in own:
            if _is_done(job, summary, done):
                continue
            # Only here does anything load torch: a finished request is answered without it.
            from erasebench.runner.session import Session

            session = session or Session(job.world, request.device)
            if not checked:
                _tell_what_will_fail(jobs)
                _check_models(jobs, session)
                checked = True
            _attempt(job, session, summary, done)
    _take_together(request.out, [job for job in jobs if job.label not in shown], summary, done)
    with failing_alone("The baselines shown beside", summary):
        summary.shipped, _ = show_shipped(request, summary.records, shipped)
    if board and (summary.records or any((request.out / "results").glob("*.json"))):
        # Always: a page that was cut short, or lacks a record for another reason, is whole again.
        with failing_alone("The board", summary):
            summary.yours = _yours(request, summary.records)
            summary.board = write_board(request.out, summary.yours, version_of=todays_version)
    return summary


def _fitted(jobs: list[Job]) -> tuple[Session | None, list[Job]]:
    """The jobs with the batch size that fits into the GPU, all alike; a session where it had to be tried."""
    request = jobs[0].request
    if not on_gpu(request.device):
        return None, jobs
    from erasebench.runner.session import Session

    session = Session(jobs[0].world, request.device)
    size = session.batch_size(jobs[0].profile)
    return session, [replace(job, batch_size=size) for job in jobs]


def _yours(request: Request, records: Sequence[Record]) -> tuple[str, ...]:
    asked = {load_method(name).name for name in request.methods}
    return tuple(record.id for record in records if record.method in asked)


def _done(job: Job, record: Record, summary: Summary, done: dict[str, Record]) -> None:
    """Keep a finished job's record and publish it; one of several erasings goes to the board with the others."""
    done[job.label] = record
    if not is_repeated(job):
        publish(job.request.out, record, sheet_of(job))
        summary.records.append(record)


def _is_done(job: Job, summary: Summary, done: dict[str, Record]) -> bool:
    """Whether nothing is left to do for the job: it was finished before, or the attempt to look failed."""
    with failing_alone(job.label, summary) as failure:
        if (record := finished(job)) is None:
            return False
        log.info("%s: already done, nothing to do.", job.label)
        _done(job, record, summary, done)
    return bool(failure) or job.label in done


def _take_together(out: Path, jobs: Sequence[Job], summary: Summary, done: Mapping[str, Record]) -> None:
    """Publish the records over several jobs: of several erasings, of averages, of both; each fails alone."""
    for repeats in sets_of_repeats(jobs):
        label = f"{repeats[0].label} and its repeats"
        with failing_alone(label, summary):
            by_seed = {job.request.seed: done.get(job.label) for job in repeats}
            sheets = {job.request.seed: sheet_of(job) for job in repeats}
            _publish_repeats(out, repeats[0].label, by_seed, sheets, summary)
    over_seeds: dict[tuple[str, str], dict[int, tuple[Average, Record | None]]] = {}
    for average in averages(jobs):
        first, record = average.jobs[0], None
        with failing_alone(average.label, summary):
            record = averaged(average, done)
            if record is not None and not is_repeated(first):
                publish(out, record, average.sheet)
                summary.records.append(record)
        if is_repeated(first):
            # By the names that were given: two files may call their method alike.
            over_seeds.setdefault((first.suite_asked, first.chosen.asked), {})[first.request.seed] = (average, record)
    for own in over_seeds.values():
        label = next(average.label for average, _ in own.values())
        with failing_alone(f"{label} and its repeats", summary):
            records = {seed: record for seed, (_, record) in own.items()}
            sheets = {seed: average.sheet for seed, (average, _) in own.items()}
            _publish_repeats(out, label, records, sheets, summary)


def _publish_repeats(
    out: Path, label: str, by_seed: Mapping[int, Record | None], sheets: Mapping[int, Path], summary: Summary
) -> None:
    for seed, record in taken_together(label, by_seed):
        publish(out, record, sheets[seed])
        summary.records.append(record)


def _tell_what_will_fail(jobs: Sequence[Job]) -> None:
    """Before the unedited model samples for hours: jobs that cannot be done as things are, each with its hint."""
    for job in jobs:
        # Whatever else the world or the method raises here ends the job itself, when it is its turn.
        with suppress(Exception):
            if (missing_prompts := job.segmenter_missing) is not None and finished(job) is None:
                log.warning("%s will fail: %s", job.label, missing_prompts)


def _check_models(jobs: Sequence[Job], session: Session) -> None:
    """UserError for a method whose formula is not for this model, before the unedited model samples for it; and for
    what cannot be compiled.
    """
    session.sampling_pipeline(jobs[0].profile)
    for job in jobs:
        if job.request.compiled and job.chosen.method.acts_in_network:
            what = (
                f"{job.chosen.name} acts inside the U-Net while images are sampled, which a compiled one does not show."
            )
            raise UserError(what, f"Leave --compiled out, or run {job.chosen.name} apart.")
        if (refusal := _refusal(job, session)) is not None:
            raise UserError(f"{job.chosen.name}: {refusal.what}", refusal.hint) from refusal


def _refusal(job: Job, session: Session) -> UserError | None:
    # Whatever else is raised here ends the job itself, when it is its turn.
    with suppress(Exception):
        method, pipeline = job.chosen.method(job.chosen.config), session.pipeline
        try:
            method.check_model(pipeline)
        except UserError as error:
            return error if finished(job) is None else None
    return None


def _attempt(job: Job, session: Session, summary: Summary, done: dict[str, Record]) -> None:
    """Execute one job and publish what came of it."""
    from erasebench.runner.execute import execute
    from erasebench.runner.outcome import failed_record, forget_failure

    with failing_alone(job.label, summary) as failure:
        record = execute(job, session)
        forget_failure(job, session)
        _done(job, record, summary, done)
    if failure and not isinstance(failure[0], BusyError):
        with failing_alone(f"The record of the failure of {job.label}", Summary()):
            publish(job.request.out, failed_record(job, session, summary.failures[job.label]))


@contextmanager
def failing_alone(label: str, summary: Summary) -> Iterator[list[BaseException]]:
    """Whatever the block raises is logged, noted in the summary and put into the list that is given: the run goes on.

    Of all that code of a method, a world or a judge may raise, SystemExit included, only an interruption goes through.
    """
    raised: list[BaseException] = []
    try:
        yield raised
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        check_interrupted(error)
        raised.append(error)
        summary.failures[label] = what = failure_text(error)
        log.error("%s failed: %s", label, what)
        log.log(logging.DEBUG if isinstance(error, EXPECTED) else logging.ERROR, "The traceback:", exc_info=error)
