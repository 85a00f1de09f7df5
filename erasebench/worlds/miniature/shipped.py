"""The weights that erasebench ships, and whether they are still what was shipped."""

from __future__ import annotations

import json
from pathlib import Path

from erasebench.errors import UserError
from erasebench.files.atomic import write_text
from erasebench.files.weights import file_digests

WEIGHTS = Path(__file__).with_name("weights")
DIGESTS = Path(__file__).with_name("weights.json")
"""The SHA-256 of each file by its place in WEIGHTS; `python -m erasebench.worlds.miniature.shipped` writes it."""


def check_shipped(part: str, weights: Path = WEIGHTS, digests: Path = DIGESTS) -> None:
    """UserError for a file below `weights`/`part` that is missing or is not what was shipped; names the first.

    A file is read once: its digest is remembered by size and time of change.
    """
    expected = {
        weights / name: content
        for name, content in json.loads(digests.read_text(encoding="utf-8")).items()
        if name.startswith(f"{part}/")
    }
    hint = "Install erasebench again, or restore the file (git checkout)."
    if gone := [path for path in expected if not path.is_file()]:
        raise UserError(f"{gone[0]} is missing: it is shipped with erasebench.", hint)
    found = file_digests(expected)
    if changed := [path for path in expected if found[path] != expected[path]]:
        path = changed[0]
        what = f"{path} differs from the shipped file: SHA-256 {found[path][:16]}..., not {expected[path][:16]}...."
        raise UserError(what, hint)


def shipped_digests(weights: Path = WEIGHTS) -> dict[str, str]:
    """The SHA-256 of every file below `weights` as it is now, by its place there."""
    contents = file_digests(path for path in weights.rglob("*") if path.is_file())
    return {path.relative_to(weights).as_posix(): content for path, content in sorted(contents.items())}


def write_digests() -> None:
    """Make DIGESTS of the weights as they are now: for whoever has trained them anew."""
    write_text(DIGESTS, json.dumps(shipped_digests(), indent=2) + "\n")


if __name__ == "__main__":
    write_digests()
