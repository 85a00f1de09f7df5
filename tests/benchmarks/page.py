"""docs/performance.md, from what benchmarks measured.

    uv run pytest tests/benchmarks -m "slow and not cuda" -n0 --benchmark-enable --benchmark-json MEASURED.json
    uv run python -m tests.benchmarks.page MEASURED.json [CLONE.json]

Files of pytest-benchmark, and those of tests.benchmarks.fresh_clone, become one compact file for the machine and day in
leaderboard/performance/; the rows of a file that is there stay where they were not measured anew. Then the page is
written from all compact files. Without an argument the page alone is written.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from erasebench.files.atomic import write_text
from tests.benchmarks.page_text import page
from tests.benchmarks.rows import ROWS

ROOT = Path(__file__).parents[2]
MEASURED, PAGE = ROOT / "leaderboard" / "performance", ROOT / "docs" / "performance.md"
COMMAND = 'uv run pytest tests/benchmarks -m "slow and not cuda" -n0 --benchmark-enable --benchmark-json MEASURED.json'


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.page", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, help="of --benchmark-json and of tests.benchmarks.fresh_clone")
    parser.add_argument("--measured", type=Path, default=MEASURED, help="folder of the compact files")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page that is written")
    asked = parser.parse_args(words)
    contents = [json.loads(file.read_text(encoding="utf-8")) for file in asked.files]
    if contents:
        compact = compacted(contents)
        file = asked.measured / name_of(compact)
        if file.is_file():
            compact["rows"] = in_order(json.loads(file.read_text(encoding="utf-8"))["rows"] | compact["rows"])
        write_text(file, json.dumps(compact, indent=1) + "\n")
        print(f"Written: {file}")
    write_text(asked.page, page(measured_files(asked.measured)))
    print(f"Written: {asked.page}")
    return 0


def measured_files(folder: Path) -> dict[str, dict[str, Any]]:
    """The compact files by name, the newest of the benchmarks first."""
    found = {file.name: json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.json"))}
    return dict(sorted(found.items(), key=lambda item: str(item[1].get("date")), reverse=True))


def compacted(contents: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One compact file of what was measured on one machine. ValueError where no file tells the machine."""
    benchmarked = [content for content in contents if "machine_info" in content]
    if not benchmarked:
        raise ValueError("none of the files is of --benchmark-json, which alone tell the machine")
    info, commit = benchmarked[-1]["machine_info"], benchmarked[-1].get("commit_info", {})
    own, processor = info["erasebench"], info["cpu"]
    rows: dict[str, Any] = {}
    for content in contents:
        rows |= content.get("rows", {})
        for benchmark in content.get("benchmarks", ()):
            rows |= {name: row for name, row in benchmark["extra_info"].items() if name in ROWS}
    return {
        "machine": {
            "cpu": processor.get("brand_raw", info.get("machine", "")),
            "cores": own["cores"],
            "threads": own["threads"],
            "instructions": own["instructions"],
            "ceilings": own["ceilings"],
        },
        "date": own["date"],
        "source": str(commit.get("id", ""))[:12],
        "command": COMMAND,
        "versions": {"python": info["python_version"], **own["packages"]},
        "rows": in_order(rows),
    }


def in_order(rows: dict[str, Any]) -> dict[str, Any]:
    """In the order of the page."""
    return {name: rows[name] for name in ROWS if name in rows}


def name_of(compact: dict[str, Any]) -> str:
    """'amd-epyc-2-cores-2026-11-28.json'."""
    machine = compact["machine"]
    words = f"{machine['cpu']} {machine['cores']} cores {compact['date']}".lower()
    return re.sub(r"[^a-z0-9]+", "-", words).strip("-") + ".json"


if __name__ == "__main__":
    raise SystemExit(main())
