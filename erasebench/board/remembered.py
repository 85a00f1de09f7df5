"""Differences of two records that were computed before, in the user's cache: they take most of the time of a board."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from functools import cache
from pathlib import Path

from pydantic import ValidationError

from erasebench.api.value import MetricValue, Pairing
from erasebench.errors import UserError
from erasebench.files.atomic import write_json
from erasebench.files.source import source_digest
from erasebench.files.weights import cache_folder

MOST = 50_000
"""Differences kept, those used last; each takes some 200 bytes."""


class Differences:
    """Metrics by what they were computed from. A cache that is absent or damaged costs time, never a result."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._kept = _read(file)
        self._new = False

    def get(self, key: str) -> MetricValue | None:
        """The metric kept under `key`; None where there is none that can be read."""
        if key not in self._kept:
            return None
        kept = self._kept.pop(key)
        try:
            metric = MetricValue.model_validate(kept)
        except ValidationError:
            return None
        self._kept[key] = kept  # Last again: what is used last is dropped last.
        return metric

    def put(self, key: str, metric: MetricValue) -> None:
        """Keep a metric."""
        self._kept[key] = metric.model_dump(mode="json")
        self._new = True

    def keep(self) -> None:
        """Write what was added since, if anything was."""
        if self._new:
            with suppress(OSError, UserError):
                write_json(self.file, dict(list(self._kept.items())[-MOST:]))
            self._new = False


def differences() -> Differences:
    """Those in the user's cache, for the code as it is: another version of the statistics computes its own."""
    return _opened(cache_folder() / "board" / f"differences-{_version()[:16]}.json")


def key_of(ours: Pairing, theirs: Pairing, unit: str) -> str:
    """Digest of two pairings' content, in order, and the metric's unit."""
    total = hashlib.sha256(unit.encode())
    for side in (ours, theirs):
        total.update(f"\n{side.formula} {side.scale!r}".encode())
        for name, part in side.parts.items():
            total.update(f"\n{name!a} {part.fraction} {part.by_cluster}".encode())
    return total.hexdigest()


@cache
def _opened(file: Path) -> Differences:
    return Differences(file)


@cache
def _version() -> str:
    return source_digest(("erasebench.metrics.statistics", "erasebench.metrics.composites", "erasebench.board.pairs"))


def _read(file: Path) -> dict[str, object]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
