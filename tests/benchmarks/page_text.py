"""The text of docs/performance.md: compact files in, Markdown out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tests.benchmarks.page_check import check_section, is_check
from tests.benchmarks.page_gpu import gpu_section
from tests.benchmarks.rows import ROWS, Row

FOLDER = "../leaderboard/performance"
INTRODUCTION = f"""# Performance

This page says how fast erasebench is, what its goals are, and what is left to do. `python -m tests.benchmarks.page`
writes it from the files in [leaderboard/performance]({FOLDER}/README.md). Do not edit it by hand.

Each machine has a section. Those of CPUs come from the benchmarks in `tests/benchmarks`, those of GPUs from a run by
hand or from `python -m erasebench.bench.gpu`.

## How the rows of a CPU are measured

- A ratio compares two versions in one run on one machine: a plain version and ours, in turn, one pair that is not
  counted and then five pairs. A ratio of 2x means that ours needs half of the processor time. Processor time changes
  little on a machine that is busy with something else.
- Seconds are by the clock. They depend on the machine; do not compare them with those of another one.
- Each row shows the median, the lowest and the highest value in brackets, and how many runs there were.
- Each benchmark checks the result too: ours has to equal the plain version within a tolerance that the test names.
- The floor is what has to be computed or held at the least. Its seconds are this work at the ceiling of the machine:
  the speed of a large matrix product, measured in the same run.
"""
TRIED = (
    (
        "onnxruntime for the U-Net",
        "1.2 to 1.3x of ours for one call, in which it computes the keys and values of text anew: not clearly the 1.3x "
        "that an engine with tables of its own has to earn",
    ),
    ("OpenVINO for the U-Net", "1.0 to 1.1x for one call"),
    ("torch's compiler (inductor) on a CPU", "compiles for two minutes, and is not faster afterwards"),
    ("`channels_last`", "8% faster, and moves pixels by 1 of 255; on the H200 10% slower in float16"),
    ("huge pages; memory that is kept between batches", "0 to 10% faster: less than the machine's own noise"),
    (
        "judging while images are sampled",
        "judges are 1% of the README's job, and the record could no longer say what each stage costs",
    ),
)
"""What was measured by hand on the miniature, a batch of 32 with guidance, on two AVX2 cores."""


def page(files: Mapping[str, dict[str, Any]]) -> str:
    """The whole page; `files`: the compact files by name, the newest first."""
    blocks = [INTRODUCTION.rstrip()]
    for name, content in files.items():
        if "card" not in content and not is_check(content):
            blocks += _machine(name, content)
    for name, content in files.items():
        if "card" in content:
            blocks += gpu_section(name, content, FOLDER)
        elif is_check(content):
            blocks += check_section(name, content, FOLDER)
    blocks.append("## Tried, and not used")
    blocks.append("Measured by hand on the miniature, a batch of 32 with guidance, on two AVX2 cores.")
    blocks.append(table(("what", "found"), TRIED))
    return "\n\n".join(blocks) + "\n"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _machine(name: str, content: dict[str, Any]) -> list[str]:
    machine, versions = content["machine"], content["versions"]
    ceilings = "; ".join(f"{what}: {value:g}" for what, value in machine["ceilings"].items())
    about = [
        f"Machine: {machine['cpu']}, {machine['cores']} cores, {machine['threads']} threads of torch, "
        f"{machine['instructions']}. Ceilings: {ceilings}.",
        f"Date: {content['date']}; commit {content['source']}; Python {versions['python']}, torch {versions['torch']}, "
        f"diffusers {versions['diffusers']}, transformers {versions['transformers']}. File: [{name}]({FOLDER}/{name}).",
    ]
    measured = {key: content["rows"].get(key) for key in ROWS}
    bars = [
        (_named(key, ROWS[key]), _value(found), _bar_text(row), _met(row, found, machine))
        for key, row in ROWS.items()
        for found in [measured[key]]
    ]
    floors = [
        (ROWS[key].what, _seconds(found), _floor(found, machine), ROWS[key].left or "-")
        for key, found in measured.items()
        if found is not None
    ]
    commands = [(ROWS[key].what, f"`{_command(ROWS[key])}`") for key in ROWS if key in content["rows"]]
    notes = [f"- {ROWS[key].what}: {found['note']}." for key, found in measured.items() if found and "note" in found]
    return [
        f"## On {machine['cpu']}, {machine['cores']} cores",
        "\n".join(about),
        table(("what", "measured", "bar", "met"), bars),
        *(["\n".join(notes)] if notes else []),
        "### Floors, and what is left",
        table(("what", "seconds", "floor", "left to do"), floors),
        "### Commands",
        f"All rows but the fresh clone's: `{content['command']}`. Single rows:",
        table(("what", "command"), commands),
    ]


def _named(key: str, row: Row) -> str:
    return f"{row.what}; plain version: {row.plain}" if row.plain else row.what


def _value(found: dict[str, Any] | None) -> str:
    if found is None:
        return "not measured"
    text = _with_unit(found["median"], found["unit"])
    low, high = found["spread"]
    if len(found["values"]) == 1:
        return f"{text} (once)"
    return f"{text} [{_number(low)}, {_number(high)}], {len(found['values'])} runs"


def _with_unit(value: float, unit: str) -> str:
    return f"{_number(value)}x" if unit == "times" else f"{_number(value)} {unit}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def _bar(row: Row, machine: Mapping[str, Any]) -> float | None:
    return row.bar_avx512 if row.bar_avx512 is not None and "AVX512" in machine["instructions"] else row.bar


def _bar_text(row: Row) -> str:
    if row.bar_text or row.bar is None:
        return row.bar_text or "-"
    return f"{row.bar:g}x" if row.unit == "times" else f"at most {row.bar:g} {row.unit}"


def _met(row: Row, found: dict[str, Any] | None, machine: Mapping[str, Any]) -> str:
    bar = _bar(row, machine)
    if found is None or bar is None:
        return "-"
    value = found["median"]
    return "yes" if (value >= bar if row.unit == "times" else value <= bar) else "**no**"


def _seconds(found: dict[str, Any]) -> str:
    seconds = found.get("seconds")
    if not seconds:
        return _with_unit(found["median"], "s") if found["unit"] == "s" else "-"
    return "; ".join(f"{name} {_number(value)}" for name, value in seconds.items())


def _floor(found: dict[str, Any], machine: Mapping[str, Any]) -> str:
    """The row's least work and what it would take at the machine's ceiling."""
    ceilings, parts = machine["ceilings"], []
    for key, ceiling, unit in (
        ("gflop", "float32 product, GFLOP/s", "GFLOP in float32"),
        ("gflop64", "float64 product, GFLOP/s", "GFLOP in float64"),
    ):
        if key in found:
            parts.append(f"{_number(found[key])} {unit}: {_number(found[key] / ceilings[ceiling])} s")
    if "gigabytes" in found:
        parts.append(f"{_number(found['gigabytes'])} GB")
    return "; ".join(parts) or "-"


def _command(row: Row) -> str:
    if row.test.startswith("python"):
        return f"uv run {row.test} --out CLONE.json"
    return f"uv run pytest {row.test} -m slow -n0 --benchmark-enable"
