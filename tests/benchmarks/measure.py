"""How every benchmark measures: plain and ours in turn in one run, peaks in a process of their own, rows of numbers."""

from __future__ import annotations

import multiprocessing
import os
import resource
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from statistics import median
from typing import Any, NamedTuple

import psutil
from pytest_benchmark.fixture import BenchmarkFixture

from tests.benchmarks.rows import ROWS

RUNS = 5


class Taken(NamedTuple):
    """What a call returned, and the seconds of processor time and of the clock that it took."""

    result: Any
    processor: float
    wall: float


class Pairs(NamedTuple):
    """Several calls of a plain version and of ours, in turn; `ratios` of their processor times."""

    plain: list[Taken]
    ours: list[Taken]

    @property
    def ratios(self) -> list[float]:
        return [plain.processor / ours.processor for plain, ours in zip(self.plain, self.ours, strict=True)]

    @property
    def seconds(self) -> dict[str, float]:
        """Medians by the clock."""
        return {"plain": _wall(self.plain), "ours": _wall(self.ours)}


def timed(work: Callable[[], Any]) -> Taken:
    """One call, measured."""
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    return Taken(result, time.process_time() - processor, time.perf_counter() - wall)


def in_turn(plain: Callable[[], Any], ours: Callable[[], Any], runs: int = RUNS) -> Pairs:
    """A pair that is not counted, then `runs` pairs.

    Their ratios are of processor seconds, so that they also hold on a machine that is busy with something else.
    """
    plain(), ours()
    taken = [(timed(plain), timed(ours)) for _ in range(runs)]
    return Pairs([one for one, _ in taken], [other for _, other in taken])


def repeated(work: Callable[[], Any], runs: int = RUNS) -> list[float]:
    """Seconds by the clock of `runs` calls."""
    return [timed(work).wall for _ in range(runs)]


def children() -> float:
    """Processor seconds of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def put(benchmark: BenchmarkFixture, name: str, values: Sequence[float], **more: Any) -> None:
    """Add a row to what the benchmark writes with --benchmark-json; `name` is one of ROWS.

    `more`: `seconds` of either side, `gflop` and `gigabytes` (its floor: what has to be computed and moved), `note`.
    """
    row = ROWS[name]
    kept = [float(f"{value:.4g}") for value in values]
    numbers = {"values": kept, "median": median(kept), "spread": [min(kept), max(kept)]}
    rounded = {key: _rounded(value) for key, value in more.items()}
    benchmark.extra_info[name] = {"row": row.what, "unit": row.unit, "bar": row.bar, **numbers, **rounded}


def gflop_of(work: Callable[[], Any]) -> float:
    """Floating-point operations of torch's products, convolutions and attention in a call, in 1e9."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops() / 1e9


def peak_of(function: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    """GB by which a call raises a fresh process's own resident memory at most, and what the call returned.

    It is looked at every hundredth of a second. `function` is one of a module, and its result can be pickled.
    """
    # Large blocks go back to the system at once: what is held counts, not what the C library keeps for later.
    os.environ["MALLOC_MMAP_THRESHOLD_"] = str(2**18)
    # Not multiprocessing's Pool, which waits for ever where the process cannot import the function.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(_grown, function, arguments).result()


def _grown(function: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[float, Any]:
    before, seen, done = _own_memory(), [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            seen.append(max(seen.pop(), _own_memory()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        result = function(*arguments)
    finally:
        done.set()
        watcher.join()
    return (max(seen[0], _own_memory()) - before) / 1e9, result


def _own_memory() -> int:
    """Resident bytes but for files: the libraries' own pages come and go as the system likes."""
    info = psutil.Process().memory_info()
    return int(info.rss - getattr(info, "shared", 0))


def _wall(taken: Sequence[Taken]) -> float:
    return median(each.wall for each in taken)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value
