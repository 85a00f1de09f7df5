"""erasebench clean: remove what later runs have made superfluous."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from erasebench.cli import options
from erasebench.errors import UserError

_LISTED = 40


def clean(
    out: Annotated[Path, typer.Option("--out", help="Folder of the board, its records and contact sheets.")] = Path(
        "results"
    ),
    runs_folder: options.RunsFolder = Path("runs"),
    yes: Annotated[bool, typer.Option("--yes", help="Remove without asking.")] = False,
) -> None:
    """Remove records, contact sheets, erasures and images that later runs replaced; lists them and asks first."""
    from erasebench.runner.clean import remove, superfluous

    if not (out.is_dir() or runs_folder.is_dir()):
        raise UserError(f"Neither of the folders {out} and {runs_folder} exists.", "Give --out and --runs-folder.")
    found = superfluous(out, runs_folder)
    if not found:
        print("There is nothing to remove: every record, erasure and image is the newest of its job.")
        return
    for each in found[:_LISTED]:
        print(f"{each.size / 1e6:9.1f} MB  {each.path}  ({each.why})")
    if len(found) > _LISTED:
        print(f"and {len(found) - _LISTED:,} more")
    print(f"{len(found):,} in total, {sum(each.size for each in found) / 1e6:,.1f} MB.")
    if not yes and not sys.stdin.isatty():
        print("Nothing was removed: give --yes to remove them.")
        return
    if not yes and not typer.confirm("Remove them?"):
        return
    removed = remove(found)
    print(f"{len(removed):,} removed.")
    if any((out / "results").glob("*.json")):
        from erasebench.board import write_board
        from erasebench.runner.versions import todays_version

        print(f"Board: {write_board(out, version_of=todays_version)}")
