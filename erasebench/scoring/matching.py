"""Which prompt each image belongs to: by a prompt table, by a listing, or by the images' own names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from erasebench.prompts import PromptRow
from erasebench.prompts.dialects import CASE
from erasebench.prompts.reading import ReadLine, read_lines
from erasebench.scoring.folder import Listing, NamedImage
from erasebench.scoring.listing import Listed, listed
from erasebench.scoring.names import Exactness, Names, Reading

if TYPE_CHECKING:
    import pandas as pd

ALL = "all"
"""The group of images that lie in no folder of their own."""
NO_ROW, AMBIGUOUS, TAKEN, NOT_UTF8 = "no-prompt-row", "ambiguous-name", "row-has-image", "name-not-utf-8"
"""Outcomes of images that belong to no row: no row fits; several do, or several images fit one row; a row fits that
another image fits by a more exact name; the name cannot be read and no row fits."""
FOLDERS = {"erased": ("erased", "0"), "retain-seen": ("others", "1"), "retain-heldout": ("others", "1")}
"""The reference sampler's folder for each group."""
SHOWN = 3
"""Images whose doubt is spelled out."""


class Entry(NamedTuple):
    """One row of the report: an image with its prompt, a row without image, or an image or file that is left alone.

    `fault`: the outcome that says why an image is left alone; such an entry counts in no group.
    """

    image: NamedImage | None
    group: str
    concept: str
    prompt: str
    seed: int
    fault: str = ""


class Matched(NamedTuple):
    """The entries of a report, and lines about what could not be matched for certain."""

    entries: list[Entry]
    notes: list[str]


def by_names(listing: Listing) -> list[Entry]:
    """Each image under its folder's name as group, with prompt and seed where it is named `{prompt}_{seed}.png`."""
    return [*map(_by_name, listing.images), *_left_out(listing)]


def _by_name(image: NamedImage) -> Entry:
    return Entry(image, image.folder or ALL, "", image.prompt or "", image.seed or 0)


def _left_out(listing: Listing) -> list[Entry]:
    return [_by_name(image)._replace(fault=outcome) for image, outcome in listing.left_out]


def by_table(listing: Listing, path: Path, folder: Path) -> Matched:
    """Each row of the table with its images, then the images that belong to no row.

    Each image has one row or none, and each row one image (or one for each `{number}_{n}`), by the most exact name:
    `Exactness` lists them. What fits in more than one way is left alone and counted, never decided by taking the first.
    UserError as `read_csv`, and for a case number that is none.
    """
    table = read_lines(path, repeats=True)
    rows = [read.row for read in table]
    of_listing = listed(listing, table, path, folder)
    readings = _readings(listing, rows, table, of_listing)
    settled = _Settled(listing, rows, [read.line.number for read in table])
    claims: dict[int, list[int]] = defaultdict(list)
    for at, reading in readings.items():
        for row in settled.rows_of(at, reading, of_listing.spoken_for):
            claims[row].append(at)
    won = {row: settled.winners(row, images, readings) for row, images in claims.items()}
    entries: list[Entry] = []
    for at, asked in enumerate(rows):
        own = Entry(None, asked.group, asked.concept, asked.prompt, asked.seed)
        entries += [own._replace(image=listing.images[image]) for image in won.get(at, ())] or [own]
    placed = {image for images in won.values() for image in images}
    for at, image in enumerate(listing.images):
        if at not in placed:
            fault = settled.faults.get(at) or (NO_ROW if image.utf8 else NOT_UTF8)
            entries.append(_by_name(image)._replace(fault=fault))
    unused = [f"{own} is not used: it does not list files as erasebench sample does." for own in of_listing.unused]
    return Matched(entries + _left_out(listing), settled.notes() + unused)


def _readings(
    listing: Listing, rows: Sequence[PromptRow], table: Sequence[ReadLine], of_listing: Listed
) -> dict[int, Reading]:
    """The most exact reading of every image that any row fits."""
    rest = [at for at in range(len(listing.images)) if at not in of_listing.named]
    numbers = _numbers(table, {listing.images[at].number for at in rest})
    names = Names(rows, numbers, declared=numbers != list(range(len(rows))))
    found = {at: Reading(Exactness.LISTED, list(own)) for at, own in of_listing.rows.items()}
    found |= {at: reading for at in rest if (reading := names.by_prompt(listing.images[at])) is not None}
    numbered = [at for at in rest if at not in found and listing.images[at].number is not None]
    seen = {number for at in numbered if (number := listing.images[at].number) is not None}
    written = any(column in table[0].line.record for column in (CASE, "row")) if table else False
    numbering = names.numbering(seen, written=written)
    by_number = {at: names.by_number(listing.images[at], numbering) for at in numbered}
    return found | {at: reading for at, reading in by_number.items() if reading is not None}


def _numbers(table: Sequence[ReadLine], seen: Set[int | None]) -> list[int]:
    """What images of each row are numbered by: its case number, which stays with it when a table is sorted or filtered.

    Else the row's number, or its place; so too where the table has ids of another name (coco_id), none of which any of
    the numbers `seen` is.
    """
    if not any(CASE in read.line.record for read in table):
        return [read.row.row for read in table]
    numbers = [read.line.row_number(CASE, read.row.row) for read in table]
    borrowed = CASE not in table[0].line.written
    return [read.row.row for read in table] if borrowed and not seen & set(numbers) else numbers


class _Settled:
    """Which image has which row, and why the others have none."""

    def __init__(self, listing: Listing, rows: Sequence[PromptRow], lines: Sequence[int]) -> None:
        self.images = listing.images
        self.rows = rows
        self.lines = lines
        self.faults: dict[int, str] = {}
        self.doubts: dict[int, str] = {}

    def rows_of(self, at: int, reading: Reading, spoken_for: frozenset[int]) -> list[int]:
        """The rows that the image `at` claims: one, or none; several only where a listing gives it to equal ones."""
        if reading.level is Exactness.LISTED:
            if len({(self.rows[row].prompt, self.rows[row].seed) for row in reading.rows}) > 1:
                return self._doubt(at, f"is listed for lines {self._spoken(reading.rows)}")
            return reading.rows
        rows = [row for row in reading.rows if row not in spoken_for]
        if not rows:
            self.faults[at] = TAKEN
            return []
        own = [row for row in rows if self._in_own_folder(at, row)]
        if reading.doubt:
            return self._doubt(at, f"line {self._spoken(rows)}? {reading.doubt}")
        if len(rows) > 1 and len(own) != 1:
            return self._doubt(at, f"fits lines {self._spoken(rows)}")
        return rows if len(rows) == 1 else own

    def winners(self, row: int, images: Sequence[int], readings: Mapping[int, Reading]) -> list[int]:
        """Of the images that claim a row, those that have it: the one of the most exact name, or one for each n."""
        best = min(readings[at].level for at in images)
        self.faults |= {at: TAKEN for at in images if readings[at].level != best}
        of_repeat: dict[str, list[int]] = defaultdict(list)
        for at in images:
            if readings[at].level == best:
                of_repeat[self._repeat(at) if best is Exactness.NUMBERED else ""].append(at)
        won = []
        for rivals in of_repeat.values():
            own = [at for at in rivals if self._in_own_folder(at, row)]
            chosen = rivals if len(rivals) == 1 else own
            if len(chosen) == 1:
                won += chosen
                self.faults |= {at: TAKEN for at in rivals if at not in chosen}
            else:
                files = " and ".join(self.images[at].file for at in rivals[:2])
                for at in rivals:
                    self._doubt(at, f"{len(rivals)} images for line {self.lines[row]}: {files}")
        return won

    def notes(self) -> list[str]:
        """A line about the images that are in doubt, with some of them; none where none is."""
        if not self.doubts:
            return []
        some = "; ".join(f"{self.images[at].file} ({why})" for at, why in list(self.doubts.items())[:SHOWN])
        more = "; ..." if len(self.doubts) > SHOWN else ""
        what = f"{len(self.doubts)} images match the table in more than one way and are not scored: {some}{more}."
        return [f"{what} Add a column 'file' to the table to say which image belongs to which row."]

    def _doubt(self, at: int, why: str) -> list[int]:
        self.faults[at], self.doubts[at] = AMBIGUOUS, why
        return []

    def _spoken(self, rows: Sequence[int]) -> str:
        lines = [str(self.lines[row]) for row in rows]
        return " and ".join(lines[:SHOWN]) + (" and more" if len(lines) > SHOWN else "")

    def _repeat(self, at: int) -> str:
        rest = self.images[at].rest or ""
        return str(int(rest)) if rest.isdecimal() else rest

    def _in_own_folder(self, at: int, row: int) -> bool:
        group = self.rows[row].group
        return self.images[at].folder.rpartition("/")[2] in (group, *FOLDERS.get(group, ()))


def frame_of(entries: list[Entry]) -> pd.DataFrame:
    """The entries as a frame: file ('' where there is none), group, concept, prompt, seed, cluster."""
    import pandas as pd

    frame = pd.DataFrame([entry[1:5] for entry in entries], columns=["group", "concept", "prompt", "seed"])
    frame.insert(0, "file", ["" if entry.image is None else entry.image.file for entry in entries])
    # Images of one prompt are resampled together; an image whose prompt is not known stands for itself.
    frame["cluster"] = frame["prompt"].where(frame["prompt"] != "", frame["file"])
    return frame
