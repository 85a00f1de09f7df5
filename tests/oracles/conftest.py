"""After a run in one process (-n0): the largest difference of each item, as methods/README.md's table gives it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from erasebench.testing import oracle

_largest: dict[str, float] = {}
_count: dict[str, set[str]] = {}


class _Keep(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        item, case, _, difference = record.args  # type: ignore[misc]
        _largest[str(item)] = max(_largest.get(str(item), 0.0), float(difference))  # type: ignore[arg-type]
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
    for item in sorted(_largest):
        terminalreporter.write_line(f"{item}: {len(_count[item])} cases, largest difference {_largest[item]:.1e}")
