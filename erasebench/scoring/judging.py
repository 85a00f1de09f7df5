"""Each judge on a folder's images, remembered by image: what is judged once is not judged again."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from erasebench.api.judge import MISSING, SCORED
from erasebench.console.progress import progress_bar
from erasebench.cost import Cost
from erasebench.files.source import source_digest
from erasebench.files.weights import cache_folder, file_digests
from erasebench.identity import digest
from erasebench.scoring import pixels
from erasebench.scoring.matching import NOT_UTF8, Entry, frame_of
from erasebench.scoring.pixels import Read, read_image
from erasebench.store.judgements import JudgementStore, row_keys

if TYPE_CHECKING:
    from erasebench.api.judge import Judge

NO_PROMPT, NOT_READABLE = "no-prompt", "may-not-be-read"
CHUNK = 64


def judged(
    judge: Judge, entries: Sequence[Entry], concepts: Sequence[str], *, needs_prompt: bool, convert: bool
) -> pd.DataFrame:
    """One row per entry: the entry's columns, `converted` (what an image was before), `outcome`, the judge's columns.

    `concepts`: what each entry is about. `needs_prompt`: an image whose prompt is not known is not judged.
    An image that is left alone or cannot be looked at has its own outcome and never reaches the judge.
    """
    rows = frame_of(list(entries)).assign(concept=list(concepts))
    outcomes = [_known_outcome(entry, needs_prompt) for entry in entries]
    todo = [at for at, outcome in enumerate(outcomes) if outcome is None]
    found, reads = _looked_at(judge, entries, rows, todo, convert)
    parts = [found.get(at) for at in range(len(entries))]
    columns = {name: pd.Series([_value(part, name) for part in parts], dtype="object") for name in judge.columns}
    rows["converted"] = [reads[at].converted if at in reads else None for at in range(len(entries))]
    rows["outcome"] = [outcomes[at] or _outcome(found.get(at), reads.get(at)) for at in range(len(entries))]
    return rows.assign(**{name: column.infer_objects() for name, column in columns.items()})


def _known_outcome(entry: Entry, needs_prompt: bool) -> str | None:
    if entry.image is None:
        return MISSING
    if entry.fault:
        return entry.fault
    if not _may_be_read(entry.image.path):
        return NOT_READABLE
    if not needs_prompt or entry.prompt:
        return None
    return NO_PROMPT if entry.image.utf8 else NOT_UTF8


def _may_be_read(path: Path) -> bool:
    try:
        with path.open("rb"):
            return True
    except OSError:
        return False


def _outcome(found: pd.Series | None, read: Read | None) -> str:
    if found is not None:
        return str(found["outcome"])
    return read.outcome if read is not None else MISSING


def _value(found: pd.Series | None, name: str) -> object:
    return None if found is None else found[name]


def _looked_at(
    judge: Judge, entries: Sequence[Entry], rows: pd.DataFrame, todo: Sequence[int], convert: bool
) -> tuple[dict[int, pd.Series], dict[int, Read]]:
    """The judge's row of every entry of `todo` whose image can be read, and how reading each image went."""
    paths = {at: image.path for at in todo if (image := entries[at].image) is not None}
    contents = file_digests(set(paths.values()))
    identity = digest([judge.identity(), _reader()])
    store = JudgementStore(cache_folder() / "scores" / f"{judge.name}-{identity[:16]}")
    parts = [
        [contents[path], convert, *map(str, rows.loc[at, ["concept", "prompt", "seed"]])] for at, path in paths.items()
    ]
    keys = dict(zip(paths, row_keys(judge, parts, rows.loc[list(paths)]), strict=True))
    known = store.read()
    done = set() if known is None else set(known.index)
    reads: dict[int, Read] = {}
    with progress_bar(len(paths), judge.name, "image") as advance:
        for start in range(0, len(paths), CHUNK):
            chunk = list(paths)[start : start + CHUNK]
            pictures = {at: read_image(paths[at], convert=convert) for at in chunk}
            reads |= {at: read._replace(pixels=None) for at, read in pictures.items()}
            fresh = [at for at in chunk if pictures[at].outcome == SCORED and keys[at] not in done]
            if fresh:
                found = judge.judge([pictures[at].pixels for at in fresh], rows.loc[fresh])
                store.add([keys[at] for at in fresh], found, Cost())
                done.update(keys[at] for at in fresh)
            advance(len(chunk))
    known = store.read()
    readable = [at for at, read in reads.items() if read.outcome == SCORED]
    return ({} if known is None else {at: known.loc[[keys[at]]].iloc[0] for at in readable}), reads


def _reader() -> list[str]:
    """What decides the pixels that are read from a file: scores by another reader are not these scores."""
    return [source_digest([pixels.__name__]), version("pillow")]
