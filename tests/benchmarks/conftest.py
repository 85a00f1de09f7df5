"""What every file of measurements says of its machine."""

from __future__ import annotations

import os
import time
from typing import Any

from tests.benchmarks.measure import timed

# Processor time is to count work: threads that wait for each other are not to spin. torch reads it as it is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def pytest_benchmark_update_machine_info(config: Any, machine_info: dict[str, Any]) -> None:
    """Versions, instruction set, and the ceilings of the machine: large matrix products and a copy."""
    import torch

    from erasebench.runner.packages import installed_packages

    machine_info["erasebench"] = {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "packages": installed_packages(),
        "date": time.strftime("%Y-%m-%d"),
        "ceilings": {
            "float32 product, GFLOP/s": product(torch.float32),
            "float64 product, GFLOP/s": product(torch.float64),
            "copy, GB/s": copy(),
        },
    }


def product(dtype: Any, side: int = 2048) -> float:
    """The best of five products of two square matrices."""
    import torch

    a = torch.randn(side, side, dtype=dtype)
    return round(2 * side**3 / min(timed(lambda: a @ a).wall for _ in range(6)) / 1e9, 1)


def copy(megabytes: int = 256) -> float:
    """The best of five copies, what is read and what is written counted."""
    import torch

    a = torch.zeros(megabytes * 2**20, dtype=torch.uint8)
    return round(2 * a.numel() / min(timed(a.clone).wall for _ in range(6)) / 1e9, 1)
