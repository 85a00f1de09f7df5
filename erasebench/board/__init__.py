"""The leaderboard: read from stored records and the published table, and from nothing else."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path


def write_board(out: Path, yours: Collection[str] = ()) -> Path:
    """Rebuild `out`/README.md from `out`/results/*.json alone and return its path; see erasebench.board.build."""
    # A record carries its suite's columns, so erasebench.record imports this package: the build is imported late.
    from erasebench.board.build import build

    return build(out, yours)
