"""Run a plan's requests, several at a time where asked for, and write one board."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import groupby

from erasebench.board import write_board
from erasebench.console.interruption import check_interrupted
from erasebench.console.messages import print_messages
from erasebench.console.scrubbing import failure_text
from erasebench.errors import UserError
from erasebench.runner.job import plan
from erasebench.runner.plan_file import is_unedited
from erasebench.runner.request import Request
from erasebench.runner.run import Summary, failing_alone, run_jobs
from erasebench.runner.versions import todays_version

log = logging.getLogger(__name__)

BOARD_SECONDS = 120.0
"""The board takes seconds to write: while a plan runs it is renewed this often, and in the end."""


def run_plan(requests: Sequence[Request], workers: int = 1) -> Summary:
    """Run every request and write the board; a mistake in any of them is found before the first has begun.

    `workers`: processes side by side on the CPU, each with its share of the cores. Requests of the unedited model come
    first, since the others' contact sheets show its images. What two requests both ask for is run once. Interrupted or
    killed, the same call goes on where it stopped.
    """
    if workers < 1:
        raise UserError(f"--workers {workers}: there is no process to run anything.", "Give 1 or more.")
    if workers > 1 and requests[0].device != "cpu":
        raise UserError(
            f"--workers {workers}: several workers would share {requests[0].device}.",
            "Give one worker for each device.",
        )
    ordered = in_order(requests)
    whole, started = Summary(), time.monotonic()
    written = started
    try:
        for number, (request, summary) in enumerate(_run_in_turn(ordered, workers), start=1):
            log.info("%d of %d done, %.1f minutes.", number, len(ordered), (time.monotonic() - started) / 60)
            whole.records += summary.records
            own = " ".join(f"{key}={value}" for key, value in request.settings.items())
            whole.failures |= {f"{label} {own}".strip(): what for label, what in summary.failures.items()}
            if time.monotonic() - written > BOARD_SECONDS:
                _write_board(requests[0], Summary())
                written = time.monotonic()
    finally:
        _write_board(requests[0], whole)
    return whole


def _write_board(request: Request, whole: Summary) -> None:
    """Where there are records; that it cannot be written ends no plan."""
    if any((request.out / "results").glob("*.json")):
        with failing_alone("The board", whole):
            whole.board = write_board(request.out, version_of=todays_version)


def in_order(requests: Sequence[Request]) -> list[Request]:
    """Each job once, those of the unedited model first. UserError for a mistake in any request."""
    wanted: dict[tuple[str, ...], Request] = {}
    for request in requests:
        wanted.setdefault(tuple(job.request_digest for job in plan(request)), request)
    return sorted(wanted.values(), key=lambda request: not is_unedited(request))


def _run_in_turn(requests: Sequence[Request], workers: int) -> Iterator[tuple[Request, Summary]]:
    for _, group in groupby(requests, key=is_unedited):
        if workers == 1:
            yield from ((request, _run(request)) for request in group)
        else:
            yield from _run_side_by_side(list(group), workers)


def _run_side_by_side(requests: Sequence[Request], workers: int) -> Iterator[tuple[Request, Summary]]:
    context = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    pool = ProcessPoolExecutor(workers, context, _start, (workers,))
    with _ignoring_interrupts():
        futures: dict[Future[Summary], Request] = {pool.submit(_run, request): request for request in requests}
    try:
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BrokenProcessPool as error:
        what = "A worker process was killed, perhaps because memory ran out."
        raise UserError(what, "Give fewer --workers and run it again: it continues where it stopped.") from error
    finally:
        # Nothing that is still waiting begins after an interruption; what runs is cut short, as by a kill.
        running = list((pool._processes or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        if not all(future.done() for future in futures):
            for process in running:
                process.terminate()


@contextmanager
def _ignoring_interrupts() -> Iterator[None]:
    # Workers begun within the block ignore Ctrl-C, which reaches every process of a terminal: this one ends them.
    if threading.current_thread() is not threading.main_thread():
        yield  # Only the main thread may say what a signal does.
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _run(request: Request) -> Summary:
    """One request's summary, whatever its jobs raise."""
    try:
        return run_jobs(request, board=False)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        check_interrupted(error)
        label = f"{', '.join(request.methods)} on {', '.join(request.suites)}"
        log.error("%s failed: %s", label, failure_text(error))
        return Summary(failures={label: failure_text(error)})


def _start(workers: int) -> None:
    import torch

    torch.set_num_threads(max(1, _cores() // workers))
    print_messages()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    # A worker that outlived a killed command would hold its run's lock against the next one.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
