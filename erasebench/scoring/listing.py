"""The files that a listing names: a table's own column `file`, and images.csv as `erasebench sample` writes it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from erasebench.errors import UserError
from erasebench.prompts import PromptRow
from erasebench.prompts.reading import ReadLine, read_lines
from erasebench.scoring.folder import Listing
from erasebench.scoring.spelling import composed

LISTING = "images.csv"
"""What `erasebench sample` writes beside its images: their prompt table, with each row's file."""
FILE = "file"


class Listed(NamedTuple):
    """`rows` of each listed image (by its place in the folder's listing), and the rows that a listing speaks for.

    A row that is spoken for is matched by no name, nor is an image that is `named` there. Several rows of an image ask
    for the same prompt and seed, unless the listing is wrong. `unused`: listings that name no files.
    """

    rows: Mapping[int, tuple[int, ...]]
    spoken_for: frozenset[int]
    named: frozenset[int]
    unused: tuple[Path, ...] = ()


def listed(listing: Listing, table: Sequence[ReadLine], path: Path, folder: Path) -> Listed:
    """What the table at `path` itself lists, or (where it lists nothing) every images.csv in `folder`."""
    places = _places(listing, folder)
    if any(read.line.record.get(FILE) for read in table):
        files = {at: read.line.record.get(FILE, "") for at, read in enumerate(table)}
        named = {at: _found(places, (folder, path.parent), file) for at, file in files.items() if file}
        images = _by_image(named)
        return Listed(images, frozenset(named), frozenset(images))
    rows: dict[int, int | None] = {}
    all_named: set[int] = set()
    unused = []
    for own in [folder / LISTING, *sorted(folder / file for file in listing.foreign if file.endswith(f"/{LISTING}"))]:
        if not own.is_file() or own.resolve() == path.resolve():
            continue
        lines = _lines(own)
        if lines is None:
            unused.append(own)
            continue
        found = (_found(places, (own.parent,), read.line.record[FILE]) for read in lines)
        all_named |= {image for image in found if image is not None}
        for at, file in _files_of_rows([read.row for read in table], lines).items():
            rows[at] = _found(places, (own.parent,), file) if file else None
    return Listed(_by_image(rows), frozenset(rows), frozenset(all_named), tuple(unused))


def _lines(path: Path) -> tuple[ReadLine, ...] | None:
    """The lines of a listing; None for another kind of table of that name."""
    try:
        lines = read_lines(path, repeats=True)
    except UserError:
        return None
    return lines if lines and FILE in lines[0].line.record else None


def _files_of_rows(rows: Sequence[PromptRow], lines: Sequence[ReadLine]) -> dict[int, str]:
    """The file of every row of a table that was sampled, by prompt and seed; '' for one that cannot be known."""
    listed_as: dict[tuple[str, int], list[ReadLine]] = defaultdict(list)
    asked: dict[tuple[str, int], list[int]] = defaultdict(list)
    for read in lines:
        listed_as[read.row.prompt, read.row.seed].append(read)
    for at, row in enumerate(rows):
        asked[row.prompt, row.seed].append(at)
    found: dict[int, str] = {}
    for key, places in asked.items():
        files = [read.line.record[FILE] for read in listed_as.get(key, ())]
        if len(set(files)) == 1:
            found |= dict.fromkeys(places, files[0])
        elif len(files) == len(places):
            # Rows of one prompt and seed with settings of their own: both tables have them in one order.
            found |= dict(zip(places, files, strict=True))
        elif files:
            found |= dict.fromkeys(places, "")
    return found


def _places(listing: Listing, folder: Path) -> dict[Path | str, int]:
    """The images by their composed name below the folder, and by where they really lie."""
    places: dict[Path | str, int] = {}
    for at, image in enumerate(listing.images):
        places[image.path.resolve()] = at
        places[composed(image.path.relative_to(folder).as_posix())] = at
    return places


def _found(places: Mapping[Path | str, int], roots: Iterable[Path], file: str) -> int | None:
    for root in roots:
        if (at := places.get((root / file).resolve())) is not None:
            return at
    return places.get(composed(Path(file).as_posix()))


def _by_image(named: Mapping[int, int | None]) -> dict[int, tuple[int, ...]]:
    found: dict[int, list[int]] = defaultdict(list)
    for row, image in named.items():
        if image is not None:
            found[image].append(row)
    return {image: tuple(rows) for image, rows in found.items()}
