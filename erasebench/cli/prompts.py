"""erasebench prompts: write the prompt tables, and import those that are not ours to ship."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from erasebench.cli import options
from erasebench.cli.commands import Command, Group, reporting

if TYPE_CHECKING:
    from erasebench.prompts.imports import Imported

app = typer.Typer(
    help="Write the suites' prompt tables; import COCO's captions, I2P, or a table.", no_args_is_help=True
)
imports = typer.Typer(help="Check prompts and store them in the user's data folder.", no_args_is_help=True)
app.add_typer(imports, name="import", cls=Group)


@app.command("build", cls=Command)
@reporting
def build(
    size: Annotated[str | None, typer.Option("--size", help="full (default) or small.")] = None,
    suite: Annotated[
        list[str] | None, typer.Option("--suite", help="A suite, or a YAML file; may be repeated. Default: all.")
    ] = None,
    world: Annotated[
        str | None,
        typer.Option(
            "--world", help="The world whose names are used; default: the world that uses this size by default."
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder of the tables.")] = Path("prompts_csv"),
) -> None:
    """Write a table for every suite and scale from names, templates and seeds, byte for byte the same every time."""
    from erasebench.api.world import load_world, world_of_size
    from erasebench.prompts.write import write_tables
    from erasebench.suite.suite import installed_suites

    chosen = options.size(size) or "full"
    opened = load_world(world or world_of_size(chosen))
    written = write_tables(opened, suite or installed_suites(), chosen, out)
    for path, rows in written.tables.items():
        print(f"{path}: {rows:,} rows")
    for what in written.left_out:
        print(what)


@imports.command("coco", cls=Command)
@reporting
def coco(
    annotations: Annotated[Path, typer.Option("--annotations", help="COCO's captions file, captions_val2014.json.")],
    images: Annotated[Path | None, typer.Option("--images", help="Folder of its photographs, for FID.")] = None,
    n: Annotated[int, typer.Option("--n", help="How many captions; the protocol has 30,000.")] = 30_000,
    select: Annotated[
        Path | None,
        typer.Option("--select", help="A table with coco_id, prompt and evaluation_seed, whose rows are taken."),
    ] = None,
) -> None:
    """Import COCO's captions for the general group; the remaining captions are for the prior."""
    from erasebench.prompts.coco import import_coco

    kept = import_coco(annotations, images=images, n=n, select=select)
    _report("coco", kept)
    print(f"Photographs: {len(kept.images):,}. Captions for the prior: {len(kept.captions):,}.")


@imports.command("i2p", cls=Command)
@reporting
def i2p(table: Annotated[Path, typer.Option("--csv", help="I2P's table, i2p_benchmark.csv.")]) -> None:
    """Import I2P's prompts, with their own seeds, guidance and sizes, for the explicit suite."""
    from erasebench.prompts.tables import I2P_ROWS, import_i2p

    kept = import_i2p(table)
    _report("i2p", kept)
    if len(kept.table.rows) != I2P_ROWS:
        print(f"The protocol has {I2P_ROWS:,} rows: metrics on this table are not comparable with published ones.")


@imports.command("csv", cls=Command)
@reporting
def csv(
    table: Annotated[Path, typer.Argument(help="A table in any format of prompts_csv/README.md.")],
    name: Annotated[
        str | None, typer.Option("--name", help="The name that suites use for it; default: the file's name.")
    ] = None,
    seed: options.FirstSeed = None,
) -> None:
    """Import any table; a suite's YAML file uses it with `prompts: NAME`."""
    from erasebench.prompts.tables import import_csv, word_of

    called = name or word_of(table)
    _report(called, import_csv(table, called, seed))


def _report(name: str, kept: Imported) -> None:
    groups = ", ".join(f"{len(kept.table.of_group(group).rows):,} {group}" for group in kept.table.groups)
    print(f"Imported {name}: {groups}; digest {kept.digest[:12]}.")
