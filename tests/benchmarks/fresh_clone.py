"""The README's job as a newcomer runs it: clone, install, run, and how long the last takes.

    uv run python -m tests.benchmarks.fresh_clone --times 3 --out FILE.json

Each time HEAD is cloned into a new folder and installed with `uv sync`, which is not counted; then
`uv run erasebench run --method mace --suite celebrity` is measured. FILE.json goes to tests.benchmarks.page.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks.measure import children
from tests.benchmarks.rows import ROWS

ROOT = Path(__file__).parents[2]
COMMAND = ["uv", "run", "erasebench", "run", "--method", "mace", "--suite", "celebrity"]


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.fresh_clone", description=__doc__)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--out", type=Path, required=True, help="the JSON file that is written")
    asked = parser.parse_args(words)
    runs = [one_run() for _ in range(asked.times)]
    seconds = [run["seconds"] for run in runs]
    row = {
        "row": ROWS["fresh-clone"].what,
        "unit": "s",
        "bar": ROWS["fresh-clone"].bar,
        "values": seconds,
        "median": median(seconds),
        "spread": [min(seconds), max(seconds)],
        "note": f"processor time {median(run['processor seconds'] for run in runs):.0f} s; H_c of each run: "
        + ", ".join(f"{100 * run['h_c']:.1f}" for run in runs),
    }
    asked.out.write_text(json.dumps({"cores": os.cpu_count(), "runs": runs, "rows": {"fresh-clone": row}}, indent=1))
    print(asked.out.read_text())
    return 0


def one_run() -> dict[str, Any]:
    """Clone, install, run once; caches of erasebench are the clone's own, that of uv the user's."""
    with tempfile.TemporaryDirectory(prefix="erasebench-") as folder:
        clone = Path(folder) / "erasebench"
        subprocess.run(["git", "clone", "--quiet", "--depth", "1", f"file://{ROOT}", str(clone)], check=True)
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=clone, check=True, capture_output=True, text=True)
        own = {key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE")}
        own |= {"ERASEBENCH_CACHE": f"{folder}/cache", "ERASEBENCH_DATA": f"{folder}/data"}
        subprocess.run(["uv", "sync", "--quiet"], cwd=clone, env=own, check=True)
        before, start = children(), time.perf_counter()
        subprocess.run(COMMAND, cwd=clone, env=own, check=True)
        seconds, processor = time.perf_counter() - start, children() - before
        (record,) = (clone / "results" / "results").glob("*-mace-*.json")
        metrics = json.loads(record.read_text(encoding="utf-8"))["metrics"]
    shown = {name: metrics[name]["value"] for name in ("h_c", "acc_e", "acc_s")}
    return {
        "commit": commit.stdout.strip()[:12],
        "seconds": round(seconds, 1),
        "processor seconds": round(processor, 1),
        **shown,
    }


if __name__ == "__main__":
    raise SystemExit(main())
