"""Write the suites' prompt tables from names, templates and seeds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from erasebench.prompts.build import build_table
from erasebench.prompts.table import PromptTable

if TYPE_CHECKING:
    from erasebench.api.world import SizeName, World
    from erasebench.suite.selection import Selection
    from erasebench.suite.suite import Suite


@dataclass
class Written:
    """The tables that were written, with their number of rows, and what was left out and why."""

    tables: dict[Path, int] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def write_tables(world: World, suites: Iterable[str], size: SizeName, out: Path) -> Written:
    """`out`/<world>-<suite>-<scale>-<size>.csv for every scale, or every name where a suite erases one at a time.

    Rows of ready-made prompts (captions, explicit prompts) are left out, and said to be: they are not made from names,
    templates and seeds, and what somebody has imported must change no table. UserError for an unknown suite.
    """
    from erasebench.suite.suite import load_suite

    written = Written()
    for suite in map(load_suite, suites):
        for selection in _selections(suite, world, size):
            table = table_of(suite, selection, world, size)
            if table.rows:
                path = out / f"{world.name}-{suite.name}-{selection.scale}-{size}.csv".replace(" ", "-")
                table.write_csv(path)
                written.tables[path] = len(table.rows)
        for group, name in suite.prompt_sets.items():
            written.left_out.append(
                f"{suite.name}: the {group} prompts ('{name}') are imported, not built, and are left out."
            )
    return written


def table_of(suite: Suite, selection: Selection, world: World, size: SizeName) -> PromptTable:
    """The rows that names, templates and seeds give."""
    return build_table(suite, selection, suite.sizes[size], {}, world.first_seed)


def _selections(suite: Suite, world: World, size: SizeName) -> tuple[Selection, ...]:
    from erasebench.suite.selection import select, selections

    if suite.one_at_a_time:
        return selections(suite, world, size)
    return tuple(select(suite, world, scale) for scale in suite.scales)
