"""COCO's captions as the general group: which of them, with which seeds, and the real images that go with them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from erasebench.errors import UserError
from erasebench.prompts.imports import Imported, store_import
from erasebench.prompts.line import whole_number
from erasebench.prompts.reading import read_lines
from erasebench.prompts.table import PromptRow, PromptTable

PROTOCOL_ROWS = 30_000


@dataclass(frozen=True)
class Annotations:
    """Of a captions file: each image's file name and captions (in the order of their ids), by image id."""

    path: Path
    files: Mapping[int, str]
    captions: Mapping[int, tuple[str, ...]]


def import_coco(
    annotations: Path, *, images: Path | None = None, n: int = PROTOCOL_ROWS, select: Path | None = None
) -> Imported:
    """Keep `n` captions of a COCO captions file as the general group, and all others as captions for the prior.

    Without `select`: one caption (the one with the lowest id) of each of `n` images, those whose id has the smallest
    SHA-256, with seeds 1..n: a choice that anybody can repeat. `select`: a table in the reference's COCO dialect, whose
    rows, in order, are taken with their prompts and seeds. `images`: the folder of the photographs, for FID. UserError
    for a file that is none, too few images, an id that is not in the annotations, or a photograph that is missing.
    """
    if n < 1:
        raise UserError(f"--n {n}: there is nothing to import.", f"Give 1 or more; the protocol has {PROTOCOL_ROWS:,}.")
    known = read_annotations(annotations)
    table, ids = _chosen(known, n) if select is None else _selected(known, select, n)
    photographs = [] if images is None else _photographs(known, images, ids)
    prompts = {_plain(row.prompt) for row in table.rows}
    rest = [caption for found in known.captions.values() for caption in found if caption not in prompts]
    return store_import("coco", table, photographs, list(dict.fromkeys(rest)), annotations.name)


def read_annotations(path: Path) -> Annotations:
    """The captions file of COCO (captions_val2014.json). UserError where it is none."""
    hint = "Give COCO's captions file, e.g. annotations/captions_val2014.json of annotations_trainval2014.zip."
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        files = {int(image["id"]): str(image["file_name"]) for image in content["images"]}
        rows = sorted((int(row["id"]), int(row["image_id"]), str(row["caption"])) for row in content["annotations"])
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.", hint) from error
    except (ValueError, KeyError, TypeError) as error:
        what = f"{path} is not a COCO captions file ({type(error).__name__}: {error})."
        raise UserError(what, hint) from error
    captions: dict[int, tuple[str, ...]] = {}
    for _, image, caption in rows:
        if image in files and (text := _plain(caption)):
            captions[image] = (*captions.get(image, ()), text)
    return Annotations(path, files, captions)


def _plain(caption: str) -> str:
    """A caption with single blanks: annotations and tables differ in the rest."""
    return " ".join(caption.split())


def _chosen(known: Annotations, n: int) -> tuple[PromptTable, list[int]]:
    if len(known.captions) < n:
        what = f"{known.path} has captions of only {len(known.captions):,} images, fewer than --n {n:,}."
        raise UserError(what, f"Give --n {len(known.captions)}, or a larger captions file.")
    ids = sorted(known.captions, key=lambda image: hashlib.sha256(str(image).encode()).digest())[:n]
    rows = (PromptRow(at, "general", "", known.captions[image][0], at + 1) for at, image in enumerate(ids))
    return PromptTable(tuple(rows)), ids


def _selected(known: Annotations, select: Path, n: int) -> tuple[PromptTable, list[int]]:
    read = read_lines(select)[:n]
    if read and "coco_id" not in read[0].line.record:
        raise UserError(
            f"{select}, line 1: the column 'coco_id' is missing.", "Give a table with the ids of COCO's images."
        )
    ids = []
    for at, (_, line) in enumerate(read, start=1):
        image = whole_number(line.record["coco_id"])
        if image is None:
            raise line.wrong("coco_id", "not an image's id", "Give each row the id of its COCO image.")
        if image not in known.files:
            what = f"{select}, row {at}, column 'coco_id', value '{image}': no image of {known.path.name}."
            raise UserError(what, "Give the captions file of the same year and split as the table.")
        ids.append(image)
    if len(read) < n:
        raise UserError(f"{select} has {len(read):,} rows, fewer than --n {n:,}.", f"Give --n {len(read)}.")
    return PromptTable(tuple(own.row for own in read)), ids


def _photographs(known: Annotations, folder: Path, ids: list[int]) -> list[Path]:
    paths = [folder.absolute() / known.files[image] for image in ids]
    missing = [path for path in paths if not path.is_file()]
    if missing:
        what = f"{len(missing):,} of {len(paths):,} photographs are not in {folder}, first {missing[0].name}."
        raise UserError(
            what, "Give the folder of the same year and split (val2014), or leave --images out (then there is no FID)."
        )
    return paths
