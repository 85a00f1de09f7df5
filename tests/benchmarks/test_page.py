"""docs/performance.md is what the measured files give, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks import page
from tests.benchmarks.rows import ROWS


def measured(**extra: Any) -> dict[str, Any]:
    """A file of pytest-benchmark with one benchmark."""
    ceilings = {"float32 product, GFLOP/s": 100.0, "float64 product, GFLOP/s": 50.0, "copy, GB/s": 10.0}
    return {
        "machine_info": {
            "cpu": {"brand_raw": "Small CPU"},
            "python_version": "3.11.7",
            "erasebench": {
                "cores": 2,
                "threads": 2,
                "instructions": "AVX2",
                "packages": {"torch": "2.9", "diffusers": "0.40", "transformers": "5.0"},
                "date": "2026-01-02",
                "ceilings": ceilings,
            },
        },
        "commit_info": {"id": "0123456789abcdef"},
        "benchmarks": [{"extra_info": extra}],
    }


SAMPLING = {
    "row": "sampling",
    "unit": "times",
    "bar": 1.6,
    "values": [1.7, 1.5, 1.8],
    "median": 1.7,
    "spread": [1.5, 1.8],
    "gflop": 500.0,
}
CLONE = {
    "row": "clone",
    "unit": "s",
    "bar": 180,
    "values": [170.0, 200.0],
    "median": 185.0,
    "spread": [170.0, 200.0],
    "note": "H_c 95",
}


def written(folder: Path, *contents: dict[str, Any]) -> str:
    files = []
    for at, content in enumerate(contents):
        files.append(folder / f"given-{at}.json")
        files[-1].write_text(json.dumps(content))
    (folder / "measured").mkdir(exist_ok=True)
    words = [*map(str, files), "--measured", str(folder / "measured"), "--page", str(folder / "page.md")]
    assert page.main(words) == 0
    return (folder / "page.md").read_text()


def test_a_row_says_what_was_measured_its_bar_its_floor_and_whether_it_is_met(tmp_path: Path) -> None:
    text = written(tmp_path, measured(sampling=SAMPLING))
    (line,) = (line for line in text.splitlines() if "1.70x" in line)
    assert "[1.50, 1.80], 3 runs" in line and "1.6x (goal 2.5x)" in line and line.endswith("| yes |")
    assert "500 GFLOP in float32: 5.00 s" in text
    assert f"| {ROWS['overhead'].what} | not measured | at most 5 % | - |" in text


def test_the_job_of_a_fresh_clone_is_added_and_a_missed_bar_is_said(tmp_path: Path) -> None:
    text = written(tmp_path, measured(sampling=SAMPLING), {"rows": {"fresh-clone": CLONE}})
    (line,) = (line for line in text.splitlines() if "185 s" in line and "**no**" in line)
    assert "180 s on two cores with AVX2" in line
    assert "H_c 95" in text


def test_rows_of_the_same_machine_and_day_are_kept_where_they_are_not_measured_anew(tmp_path: Path) -> None:
    written(tmp_path, measured(sampling=SAMPLING))
    text = written(tmp_path, measured(), {"rows": {"fresh-clone": CLONE}})
    (file,) = (tmp_path / "measured").glob("*.json")
    assert file.name == "small-cpu-2-cores-2026-01-02.json"
    assert list(json.loads(file.read_text())["rows"]) == ["fresh-clone", "sampling"]
    assert "1.70x" in text and "185 s" in text


def test_a_file_without_a_machine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="tell the machine"):
        written(tmp_path, {"rows": {"fresh-clone": CLONE}})


CHECK = {
    "machine": {"card": "A card", "date": "2026-01-03", "packages": {"torch": "2.13", "diffusers": "0.42"}},
    "tiny": False,
    "command": "python -m erasebench.bench.gpu --out OUT",
    "sampling": {"float16, batch 32": {"images/s": 3.2, "finite": 32}},
    "erasing": "left out: no time",
}


def test_a_file_of_the_gpu_check_has_a_section_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "measured").mkdir()
    (tmp_path / "measured" / "card.json").write_text(json.dumps(CHECK))
    text = written(tmp_path)
    assert "## On A card, by the GPU check" in text
    assert "| sampling | float16, batch 32 | images/s 3.2; finite 32 |" in text
    assert "| erasing | - | left out: no time |" in text


def test_the_page_is_what_the_committed_files_give() -> None:
    assert page.PAGE.read_text(encoding="utf-8") == page.page(page.measured_files(page.MEASURED))
