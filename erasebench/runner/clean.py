"""What later runs have made superfluous in a board's folder and in the runs' folder, and its removal."""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from erasebench.board.build import read_records
from erasebench.board.newest import same_job, superseded, written_at
from erasebench.files.atomic import is_temporary
from erasebench.identity import digest
from erasebench.results.record import Record
from erasebench.store.run_folder import BusyError, RunFolder

log = logging.getLogger(__name__)

LEFT_OVER_SECONDS = 24 * 3600.0
"""A temporary file older than this belongs to no writer that is still at work."""


class Superfluous(NamedTuple):
    """A file or folder that may go, why, and its size in bytes."""

    path: Path
    why: str
    size: int


class _Finished(NamedTuple):
    file: Path
    images: Path | None
    record: Record


def superfluous(out: Path, runs: Path) -> list[Superfluous]:
    """What may go from a board's folder `out` and from the folder `runs`, sorted; symbolic links are never followed.

    Records and sheets that a newer one of the same job stands for; finished jobs, erasures and images of earlier code
    that a later run of the same job made again; what killed writers left behind. What stands on the board, or is the
    newest of its kind, stays, and so do images that any of it rests on.
    """
    shown, older = _records(out)
    finished = list(_finished(runs))
    # What the board shows stays, though something else of the same job was made after it.
    stays = {record.id for record in shown}
    newest = _newest((same_job(each.record), each.file.stat().st_mtime, each.file) for each in finished)
    kept = [each for each in finished if each.file in newest or each.record.id in stays]
    gone = [each for each in finished if each not in kept]
    found = [(path, "a newer record of the same job") for path in older]
    found += [(path, "a newer run of the same job") for each in gone for path in _beside(each.file)]
    found += [(folder, "a newer erasure of the same job") for folder in _erasures(runs, kept)]
    needed = {each.images for each in kept}
    images = {each.images for each in gone if each.images is not None} - needed
    found += [(folder, "images of a run that was made again") for folder in images if _is_folder(folder)]
    found += [(path, "left by a killed process") for place in (out, runs) for path in _left_over(place)]
    unique = dict(sorted((path, why) for path, why in found if _within(path, (out, runs))))
    return [Superfluous(path, why, _size(path)) for path, why in unique.items()]


def remove(found: Iterable[Superfluous]) -> list[Path]:
    """Remove what `superfluous` found; what another run is working in is named and left. Returns what is gone."""
    removed = []
    for path, _, _ in found:
        try:
            if _is_folder(path):
                _remove_folder(path)
            else:
                path.unlink(missing_ok=True)
        except BusyError as error:
            log.warning("%s It is not removed.", error.what)
        except OSError as error:
            log.warning("%s cannot be removed: %s.", path, error.strerror)
        else:
            removed.append(path)
    return removed


def _records(out: Path) -> tuple[list[Record], list[Path]]:
    """The records that a board shows, and the files of those that it does not."""
    results = out / "results"
    if not any(results.glob("*.json")):
        return [], []
    records = read_records(results)[0]
    older = superseded(records, written_at(results, records))
    files = [path for r in older for path in (results / f"{r.id}.json", out / "sheets" / f"{r.id}.png")]
    ids = {record.id for record in older}
    return [record for record in records if record.id not in ids], [path for path in files if path.is_file()]


def _finished(runs: Path) -> Iterator[_Finished]:
    for file in sorted(runs.glob("*/*/finished/*.json")):
        if is_temporary(file) or not file.is_file():
            continue
        # A damaged one is set aside by the run that reads it: nothing is known of it here, so it is left.
        with suppress(OSError, ValueError, TypeError, AttributeError, RecursionError):
            content = json.loads(file.read_text(encoding="utf-8"))
            own = content.get("record", content)
            yield _Finished(file, _images(file, content.get("images")), Record.model_validate(own))


def _images(file: Path, given: str | None) -> Path | None:
    """The folder that a finished file says its images are in, where that is one of its world's images' folders."""
    if given is None:
        return None
    folder = (file.parent / given).resolve()
    return folder if folder.parent == (file.parents[2] / "images").resolve() else None


def _beside(file: Path) -> list[Path]:
    """A finished file and what is kept with it: judged rows, the list of images, the sheet, digests."""
    return [path for path in file.parent.iterdir() if path.name.startswith(f"{file.stem}.")]


def _erasures(runs: Path, kept: Collection[_Finished]) -> list[Path]:
    """Folders of erasures whose job was erased again by later code, and that no finished job which stays came from."""
    versions = {(each.record.method, each.record.method_version) for each in kept}
    runs_of: list[tuple[Path, dict[str, Any]]] = []
    for file in sorted(runs.glob("*/*/*/run.json")):
        with suppress(OSError, ValueError, RecursionError):
            identity = json.loads(file.read_text(encoding="utf-8"))
            if isinstance(identity, dict) and _is_folder(file.parent):
                runs_of.append((file.parent, identity))
    newest = _newest(
        (_asked(folder, identity), (folder / "run.json").stat().st_mtime, folder) for folder, identity in runs_of
    )
    return [
        folder
        for folder, identity in runs_of
        if folder not in newest and (identity.get("method"), identity.get("version")) not in versions
    ]


def _asked(folder: Path, identity: dict[str, Any]) -> str:
    """What an erasure was asked for: its identity without what the versions of the code add to it."""
    own = {key: value for key, value in identity.items() if key not in ("version", "segmenter", "numerics")}
    numerics = identity["numerics"] if isinstance(identity.get("numerics"), dict) else {}
    asked = [numerics.get(key) for key in ("model", "sampling", "profile")]
    return digest([folder.parent.as_posix(), own, asked])


def _newest(found: Iterable[tuple[str, float, Path]]) -> set[Path]:
    """Of all paths with one key that with the latest time."""
    latest: dict[str, tuple[float, Path]] = {}
    for key, when, path in found:
        latest[key] = max(latest.get(key, (when, path)), (when, path))
    return {path for _, path in latest.values()}


def _left_over(place: Path) -> Iterator[Path]:
    before = time.time() - LEFT_OVER_SECONDS
    for folder, folders, files in os.walk(place):
        for name in [*folders, *files]:
            path = Path(folder) / name
            if is_temporary(path) and path.lstat().st_mtime < before:
                yield path


def _within(path: Path, places: Iterable[Path]) -> bool:
    return any(path.resolve().is_relative_to(place.resolve()) and path.resolve() != place.resolve() for place in places)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _size(path: Path) -> int:
    files = path.rglob("*") if _is_folder(path) else [path]
    return sum(file.lstat().st_size for file in files if file.is_file())


def _remove_folder(path: Path) -> None:
    if not (path / "run.json").is_file():
        shutil.rmtree(path)
        return
    world = path.parent.parent
    (suite, _, scale), (method, _, identity) = path.parent.name.rpartition("-"), path.name.rpartition("-")
    run = RunFolder(world.parent, world.name, suite, scale, method, identity)
    if run.path != path:
        raise OSError(0, "its name is not that of a run's folder", str(path))
    with run.locked():
        for inner in path.iterdir():
            if inner.name.startswith("lock"):
                continue
            shutil.rmtree(inner) if _is_folder(inner) else inner.unlink()
    shutil.rmtree(path)
