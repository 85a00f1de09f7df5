"""The toy world's names for a run, and how the tests look at what a run made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from erasebench.results.record import Record
from erasebench.runner.run import Summary

TESTS = Path(__file__).parents[1]
TOY = f"{TESTS / 'toy_world.py'}:"
SUITE = str(TESTS / "data" / "toy.yaml")


def timeless(record: Record) -> dict[str, Any]:
    """A record without what differs from run to run."""
    content = record.model_dump(mode="json")
    del content["manifest"]["stages"], content["manifest"]["sampling_ratio"]
    return content


def of(summary: Summary, method: str) -> Record:
    """The record of one method."""
    return next(record for record in summary.records if record.method == method)


def pixels(runs: Path) -> dict[str, bytes]:
    """Every image of a folder of runs, by file name."""
    return {path.name: np.asarray(Image.open(path)).tobytes() for path in runs.glob("*/images/*/*.png")}
