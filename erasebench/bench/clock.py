"""Time and memory on a device, and how much of a check's time is left."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch


class Clock:
    """Measures on one device; `seconds`: what the whole check may take."""

    def __init__(self, device: str, seconds: float) -> None:
        self.device = torch.device(device)
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds that are left of the whole."""
        return self._end - time.monotonic()

    def synchronize(self) -> None:
        """Wait until everything that was started on the device is done."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def seconds(self, work: Callable[[], Any]) -> float:
        """Of one call, until the device has finished it."""
        self.synchronize()
        start = time.perf_counter()
        work()
        self.synchronize()
        return time.perf_counter() - start

    def median(self, work: Callable[[], Any], *, calls: int = 3, warm: int = 1) -> float:
        """Median seconds of `calls` calls, after `warm` that do not count."""
        for _ in range(warm):
            work()
        return median(self.seconds(work) for _ in range(calls))

    def reset_peak(self) -> None:
        """Give cached memory back, and begin to look for the peak anew."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)

    def peak_gib(self) -> float | None:
        """The most memory that torch held since `reset_peak`, in GiB; None on a CPU."""
        if self.device.type != "cuda":
            return None
        return round(torch.cuda.max_memory_allocated(self.device) / 2**30, 2)
