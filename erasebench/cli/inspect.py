"""erasebench board, list and doctor: look at what is there."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from erasebench.cli import options

Row = tuple[str, str, str, str]


def board(
    out: Annotated[Path, typer.Option("--out", help="Folder of the board, its records and contact sheets.")] = Path(
        "results"
    ),
    ship: Annotated[
        list[str] | None,
        typer.Option("--ship", metavar="METHOD", help="Maintainers: ship this method's records; may be repeated."),
    ] = None,
) -> None:
    """Rebuild the board from its records."""
    from erasebench.board import write_board
    from erasebench.runner.versions import todays_version

    if ship:
        from erasebench.api.method import load_method
        from erasebench.board.build import read_records
        from erasebench.board.shipped import ship as write_shipped

        names = [load_method(name).name for name in ship]
        for path in write_shipped(read_records(out / "results")[0], names):
            print(f"Shipped: {path}")
    print(f"Board: {write_board(out, version_of=todays_version)}")


def list_(
    method: Annotated[str | None, typer.Option("--method", help="Show the settings of this method.")] = None,
) -> None:
    """List what is installed: methods, suites, worlds, judges, attacks; or the settings of one method."""
    from erasebench.api.attack import ATTACKS
    from erasebench.api.judges import JUDGES
    from erasebench.api.judges import OWN as OWN_JUDGES
    from erasebench.api.method import METHODS
    from erasebench.api.registry import Registry
    from erasebench.api.world import WORLDS
    from erasebench.suite.suite import SUITES

    if method is not None:
        print(_settings_table(method))
        return
    registries: tuple[Registry[Any], ...] = (METHODS, SUITES, WORLDS, JUDGES, ATTACKS)
    rows: list[Row] = []
    for registry in registries:
        if registry is JUDGES:
            for name, own in sorted(OWN_JUDGES.items()):
                rows.append((registry.noun, name, own.metrics, _aliases({own.measure} - {None, name})))
        for name, others in registry.aliases().items():
            rows.append((registry.noun, name, registry.origin(name), _aliases(others)))
    print(_plain_table(("", "name", "from", ""), rows))


def _plain_table(headers: Row, rows: Sequence[Row]) -> str:
    """Columns side by side, as tabulate's "simple"; to load tabulate takes a tenth of the time of `list`."""
    widths = [max(map(len, column)) for column in zip(headers, *rows, strict=True)]
    lines = [headers, tuple("-" * width for width in widths), *rows]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def _aliases(names: Collection[str | None]) -> str:
    return f"alias: {', '.join(map(str, names))}" if names else ""


def doctor(
    world: Annotated[str | None, typer.Option("--world", help="Look at this world only.")] = None,
    model: options.Model = None,
) -> None:
    """Show what is installed, where weights are, what cannot run and how to fix it."""
    from tabulate import tabulate

    from erasebench.cli.doctor import examine

    findings = examine(world, model)
    rows = [(finding.subject, "ok" if finding.hint is None else "no", finding.what) for finding in findings]
    print(tabulate(rows, tablefmt="plain", maxcolwidths=[None, None, 100]))
    if troubles := [finding for finding in findings if finding.hint is not None]:
        print("\nTo fix:")
        for finding in troubles:
            print(f"- {finding.subject}: {finding.hint}")


def _settings_table(name: str) -> str:
    from tabulate import tabulate

    from erasebench.api.method import load_method
    from erasebench.identity import role_of

    config = load_method(name).Config
    rows = []
    for field_name, field in config.model_fields.items():
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        given = ", ".join(str(extra[key]) for key in ("unit", "source") if extra.get(key))
        rows.append((field_name, repr(field.default), role_of(config, field_name), field.description, given))
    headers = ("setting", "default", "role", "meaning", "unit, source")
    return tabulate(rows, headers=headers, tablefmt="simple", maxcolwidths=[None, 24, None, 50, 30])
