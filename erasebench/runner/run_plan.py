"""Run a plan's requests, several at a time where asked for, and write one board."""

from __future__ import annotations

import logging
import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from itertools import groupby

from erasebench.board import write_board
from erasebench.errors import UserError
from erasebench.runner.job import plan
from erasebench.runner.plan_file import is_unedited
from erasebench.runner.request import Request
from erasebench.runner.run import Summary, run_jobs

log = logging.getLogger(__name__)


def run_plan(requests: Sequence[Request], workers: int = 1) -> Summary:
    """Run every request and write the board; a mistake in any of them is found before the first has begun.

    `workers`: processes side by side, each with its share of the machine's cores; no figure depends on their number.
    Requests of the unedited model come first, since the others' contact sheets show its images.
    """
    if workers < 1:
        raise UserError(f"--workers {workers} runs nothing.", "Give 1 or more.")
    if workers > 1 and requests[0].device != "cpu":
        raise UserError(f"--workers {workers} would share {requests[0].device}.", "Give one worker for each device.")
    for request in requests:
        plan(request)
    whole, started = Summary(), time.monotonic()
    done = 0
    for _, group in groupby(requests, key=is_unedited):
        for summary in _run(list(group), workers):
            done += 1
            log.info("%d of %d, %.1f minutes.", done, len(requests), (time.monotonic() - started) / 60)
            whole.records += summary.records
            whole.failures |= summary.failures
    whole.board = write_board(requests[0].out)
    return whole


def _run(requests: Sequence[Request], workers: int) -> Iterator[Summary]:
    if workers == 1:
        yield from map(run_jobs, requests)
        return
    context = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    with ProcessPoolExecutor(workers, context, _start, (workers,)) as pool:
        futures: list[Future[Summary]] = [pool.submit(run_jobs, request) for request in requests]
        for future in as_completed(futures):
            yield future.result()


def _start(workers: int) -> None:
    import torch

    torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // workers))
    logging.basicConfig(format="%(message)s", level=logging.INFO)
