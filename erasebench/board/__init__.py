"""The leaderboard: read from stored records and the published table, and from nothing else."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from erasebench.board.build import build


def write_board(
    out: Path, yours: Collection[str] = (), *, version_of: Callable[[str], str | None] | None = None
) -> Path:
    """Rebuild `out`/README.md from `out`/results/*.json alone and return its path; see erasebench.board.build."""
    return build(out, yours, version_of=version_of)
