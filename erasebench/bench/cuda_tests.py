"""The project's own tests that need a CUDA device."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from erasebench.bench.check import Check, Found

LAST = 12


def tests(check: Check) -> Found:
    """The exit code of `pytest -m cuda` and its last lines."""
    if check.device.type != "cuda" or not Path("tests").is_dir():
        return {"left out": "they need a CUDA device, and the project's folder as the working directory"}
    words = [sys.executable, "-m", "pytest", "-q", "-m", "cuda", "-n", "0", "-p", "no:cacheprovider", "tests"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=max(10.0, check.clock.left), check=False)
    except subprocess.TimeoutExpired:
        return {"left out": "they did not end in the time that was left"}
    return {"exit code": done.returncode, "last lines": done.stdout.splitlines()[-LAST:]}
