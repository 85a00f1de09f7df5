"""What a stretch of work cost: wall-clock seconds and peak memory."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple


class Cost(NamedTuple):
    """Seconds, and the peak in bytes: resident memory of the process on the CPU, torch's allocations on CUDA."""

    seconds: float = 0.0
    peak_memory_bytes: int | None = None


def total(costs: Iterable[Cost]) -> Cost:
    """Seconds added up, the largest of the peaks."""
    costs = list(costs)
    peaks = [cost.peak_memory_bytes for cost in costs if cost.peak_memory_bytes is not None]
    return Cost(sum(cost.seconds for cost in costs), max(peaks, default=None))


class Meter:
    """Runs inside `measured`; `read` gives the cost so far."""

    def __init__(self, device: str) -> None:
        self._cuda = device.startswith("cuda")
        self._start = time.perf_counter()
        if self._cuda:
            import torch

            torch.cuda.reset_peak_memory_stats(device)
        self._device = device

    def read(self) -> Cost:
        """Seconds since the start and the peak since then (since the process began where it cannot be reset)."""
        if self._cuda:
            import torch

            return Cost(time.perf_counter() - self._start, torch.cuda.max_memory_allocated(self._device))
        return Cost(time.perf_counter() - self._start, _peak_memory())


def _peak_memory() -> int | None:
    """The most that the process has had resident; None where the system keeps no such mark."""
    if os.name == "nt":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    try:
        import resource
    except ImportError:
        return None
    # macOS counts bytes, Linux KiB.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@contextmanager
def measured(device: str) -> Iterator[Meter]:
    """Measure the block; on Linux the process's high-water mark is reset first, so that stages do not inherit it."""
    # Where it is not Linux, or a sandbox forbids it, the mark covers the process's whole life.
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    yield Meter(device)
