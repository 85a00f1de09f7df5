"""What docs/performance.md says of a check.json of erasebench.bench.gpu: its sections, as they were measured."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from erasebench.bench.sections import SECTIONS


def is_check(content: dict[str, Any]) -> bool:
    """Whether it is a file of the GPU check."""
    return "tiny" in content and any(name in content for name in SECTIONS)


def check_section(name: str, content: dict[str, Any], folder: str) -> list[str]:
    """The section of one run of the check."""
    from tests.benchmarks.page_text import table

    machine = content["machine"]
    packages = ", ".join(f"{package} {machine['packages'].get(package)}" for package in ("torch", "diffusers"))
    tiny = " Tiny sizes, to try the check itself." if content["tiny"] else ""
    rows = [(section, what, value) for section in SECTIONS for what, value in _rows(content.get(section))]
    return [
        f"## On {machine['card']}, by the GPU check",
        f"Date: {machine['date']}; {packages}. Command: `{content['command']}`.{tiny} File: [{name}]({folder}/{name}).",
        table(("section", "what", "found"), rows),
    ]


def _rows(found: Any, where: str = "") -> Iterator[tuple[str, str]]:
    """Each innermost group of values as one row."""
    if not isinstance(found, dict):
        if found is not None:
            yield where or "-", str(found)
        return
    inner = {what: value for what, value in found.items() if isinstance(value, dict)}
    own = "; ".join(f"{what} {value}" for what, value in found.items() if what not in inner)
    if own:
        yield where or "-", own
    for what, value in inner.items():
        yield from _rows(value, f"{where}, {what}" if where else what)
