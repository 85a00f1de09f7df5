"""The cases of an item as pytest's parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from erasebench.testing import oracle

ROOT = Path(__file__).parent


def cases(item: str, kinds: Mapping[str, Callable[[oracle.Case], bool]]) -> dict[str, list[oracle.Case]]:
    """The item's cases by kind, those of $ERASEBENCH_ORACLES where it is set; every case is of exactly one kind."""
    return oracle.by_kind(oracle.cases(ROOT / item), kinds)


def each(found: Sequence[oracle.Case]) -> Any:
    """A test that runs once for each of these cases."""
    return pytest.mark.parametrize("case", found, ids=str)


def each_differs(found: Sequence[oracle.Case], reason: str) -> Any:
    """As `each`, for what a method does not do as the release does: strictly expected to differ."""
    missing = pytest.mark.xfail(strict=True, raises=AssertionError, reason=reason)
    return pytest.mark.parametrize("case", [pytest.param(case, marks=missing) for case in found], ids=str)
