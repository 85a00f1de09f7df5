"""The engine of one machine: units in turn in this process, or side by side in several processes on the CPU."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from erasebench.console.messages import print_messages
from erasebench.errors import UserError
from erasebench.runner.engines.engine import Outcome, Unit


class Local:
    """One worker: this process, in order. Several: processes with a share of the cores each, in the order they end."""

    def __init__(self, workers: int = 1) -> None:
        self.workers = workers

    def each(self, units: Iterable[Unit], work: Callable[[Unit], Outcome]) -> Iterator[tuple[Unit, Outcome]]:
        """See `Engine`; UserError where a process is ended from outside."""
        if self.workers == 1:
            yield from ((unit, work(unit)) for unit in units)
        else:
            yield from _side_by_side(list(units), work, self.workers)


def _side_by_side(units: list[Unit], work: Callable[[Unit], Outcome], workers: int) -> Iterator[tuple[Unit, Outcome]]:
    context = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    pool = ProcessPoolExecutor(workers, context, _start, (workers,))
    with _ignoring_interrupts():
        futures: dict[Future[Outcome], Unit] = {pool.submit(work, unit): unit for unit in units}
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
