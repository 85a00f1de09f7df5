"""After a run in one process (-n0): the largest difference of each item, as methods/README.md's table gives it.

Apart are x_t, whose scheduler keeps its tables in float32, and cases that are ill-conditioned. Items of which another
set of cases has none are named after every run.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from erasebench.testing import oracle
from tests.oracles.listing import ROOT

APART = ("x_t", "ill-conditioned")
_largest: dict[str, dict[str, float]] = {}
_count: dict[str, set[str]] = {}


class _Keep(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        item, case, symbol, difference = record.args  # type: ignore[misc]
        own = _largest.setdefault(str(item), {})
        family = next((apart for apart in APART if symbol == apart or str(case).startswith(apart)), "")
        own[family] = max(own.get(family, 0.0), float(difference))  # type: ignore[arg-type]
        _count.setdefault(str(item), set()).add(str(case))


@pytest.fixture(scope="session", autouse=True)
def kept_differences() -> Iterator[None]:
    """What the cases' checks found, kept for the summary."""
    handler = _Keep()
    level = oracle.log.level
    oracle.log.addHandler(handler)
    oracle.log.setLevel(logging.INFO)
    yield
    oracle.log.removeHandler(handler)
    oracle.log.setLevel(level)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for item, own in sorted(_largest.items()):
        found = [f"largest difference {own['']:.1e}"] if "" in own else []
        found += [f"{apart} {own[apart]:.1e}" for apart in APART if apart in own]
        terminalreporter.write_line(f"{item}: {len(_count[item])} cases, {'; '.join(found)}")
    if elsewhere := os.environ.get(oracle.FOLDER_VARIABLE):
        items = sorted({file.parent.name for file in ROOT.glob("*/*.npz")})
        if missing := [item for item in items if not any((Path(elsewhere) / item).glob("*.npz"))]:
            terminalreporter.write_line(f"{elsewhere} has no case of {', '.join(missing)}")
