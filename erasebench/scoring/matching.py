"""Which prompt each image belongs to: by a prompt table, by a listing, or by the images' own names."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from erasebench.prompts import PromptTable
from erasebench.prompts.line import Line
from erasebench.prompts.reading import read_lines
from erasebench.scoring.folder import Listing, NamedImage

if TYPE_CHECKING:
    import pandas as pd

ALL = "all"
"""The group of images that lie in no folder of their own."""
NO_ROW = "no-prompt-row"
LISTING = "images.csv"
"""What `erasebench sample` writes beside its images: their prompt table, with each row's file."""
CASE = "case_number"
"""The column of the reference's tables that its samplers name images by."""
FOLDERS = {"erased": ("erased", "0"), "retained-kept": ("others", "1"), "retained-unseen": ("others", "1")}
"""The reference sampler's folder for each group."""


class Entry(NamedTuple):
    """One row of the report: an image with its prompt, an image without (`has_row` false), or a row without image."""

    image: NamedImage | None
    group: str
    concept: str
    prompt: str
    seed: int
    has_row: bool


def by_names(listing: Listing) -> list[Entry]:
    """Each image under its folder's name as group, with prompt and seed where it is named `{prompt}_{seed}.png`."""
    return [
        Entry(image, image.folder or ALL, "", image.prompt or "", image.seed or 0, image.prompt is not None)
        for image in listing.images
    ]


def by_table(listing: Listing, path: Path, folder: Path) -> list[Entry]:
    """Each row of the table with its image, then the images that belong to no row.

    A row's image is the one that the column `file` names, or the one named by its prompt and seed (in the folder of its
    group where there are several), or the one whose name begins with the row's number: its case number where the table
    has them. UserError as `read_csv`, and for a case number that is none.
    """
    read = read_lines(path, repeats=True)
    table, lines = PromptTable(tuple(own.row for own in read)), [own.line for own in read]
    files = {at: line.record["file"] for at, line in enumerate(lines) if line.record.get("file")}
    numbers = _numbers(table, lines)
    wanted = {(folder / file).resolve(): at for at, file in files.items()}
    listed = {wanted[place]: image for image in listing.images if (place := image.path.resolve()) in wanted}
    told: dict[tuple[str, int], list[NamedImage]] = defaultdict(list)
    numbered: dict[int | None, list[NamedImage]] = defaultdict(list)
    for image in listing.images:
        if image.prompt is not None and image.seed is not None:
            told[_key(image.prompt), image.seed].append(image)
        if image.number is not None:
            numbered[image.number].append(image)
    asked = {(_key(row.prompt), row.seed) for row in table.rows}
    # "2 dogs play_9.png" is the picture of its own row before it is number 2 of the table.
    owned = {image.file for key, images in told.items() if key in asked for image in images}
    entries, used = [], set()
    for at, row in enumerate(table.rows):
        by_number = [image for image in numbered.get(numbers[at], []) if image.file not in owned]
        candidates = [listed[at]] if at in listed else told.get((_key(row.prompt), row.seed)) or by_number
        chosen = _in_own_folder(candidates, row.group) if at in listed or at not in files else None
        if chosen is not None:
            used.add(chosen.file)
        entries.append(Entry(chosen, row.group, row.concept, row.prompt, row.seed, True))
    rest = [entry for entry in by_names(listing) if entry.image is not None and entry.image.file not in used]
    return entries + [entry._replace(has_row=False) for entry in rest]


def _numbers(table: PromptTable, lines: list[Line]) -> list[int | None]:
    """What images of each row are numbered by: a case number stays with its row when a table is sorted or filtered.

    None for a case number that several rows have: it tells them not apart.
    """
    if not any(CASE in line.record for line in lines):
        return [row.row for row in table.rows]
    numbers = [line.row_number(CASE, row.row) for line, row in zip(lines, table.rows, strict=True)]
    rows_of = Counter(numbers)
    return [number if rows_of[number] == 1 else None for number in numbers]


def _in_own_folder(candidates: list[NamedImage], group: str) -> NamedImage | None:
    names = (group, *FOLDERS.get(group, ()))
    own = [image for image in candidates if image.folder.rpartition("/")[2] in names]
    return next(iter(own or candidates), None)


def _key(prompt: str) -> str:
    """What is left of a prompt in a file's name, whatever the sampler made of slashes and quotes."""
    return "".join(character for character in prompt.casefold() if character.isalnum())


def frame_of(entries: list[Entry]) -> pd.DataFrame:
    """The entries as a frame: file ('' where there is none), group, concept, prompt, seed, cluster."""
    import pandas as pd

    frame = pd.DataFrame([entry[1:5] for entry in entries], columns=["group", "concept", "prompt", "seed"])
    frame.insert(0, "file", ["" if entry.image is None else entry.image.file for entry in entries])
    # Images of one prompt are resampled together; an image whose prompt is not known stands for itself.
    frame["cluster"] = frame["prompt"].where(frame["prompt"] != "", frame["file"])
    return frame
