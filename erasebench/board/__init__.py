"""The leaderboard: read from stored records and the published table, and from nothing else."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from erasebench.board.build import build


def write_board(out: Path, yours: Collection[str] = ()) -> Path:
    """Rebuild `out`/README.md from `out`/results/*.json alone and return its path; see erasebench.board.build."""
    return build(out, yours)
