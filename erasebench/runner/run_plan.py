"""Hand a run's requests to an engine, a plan's several at a time where asked for, and write one board."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from itertools import chain, groupby

from erasebench.board import write_board
from erasebench.console.interruption import check_interrupted
from erasebench.console.scrubbing import failure_text
from erasebench.errors import UserError
from erasebench.runner.engines import engine_of
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
    ordered, engine = in_order(requests), engine_of("local", workers)
    turns = (engine.each(group, _run) for _, group in groupby(ordered, key=is_unedited))
    whole, started = Summary(), time.monotonic()
    written = started
    try:
        for number, (request, summary) in enumerate(chain.from_iterable(turns), start=1):
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


def run_request(request: Request) -> Summary:
    """One request: its records, contact sheets and board. UserError for a mistake found before any work."""
    ((_, summary),) = engine_of("local").each([request], run_jobs)
    return summary


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
