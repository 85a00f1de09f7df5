"""The images that FID compares with, and their features, kept by the digest of each image."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from zipfile import BadZipFile

import numpy as np
import pandas as pd
from PIL import Image

from erasebench.api.judge import Pixels
from erasebench.errors import UserError
from erasebench.files.file_names import readable
from erasebench.files.sealed import is_sealed, seal, sealed_write, set_aside, whole
from erasebench.files.weights import file_digests
from erasebench.identity import digest
from erasebench.judges.image_files import HIDDEN, IMAGE_SUFFIXES, UNREAD_SUFFIXES, Files, files_below

log = logging.getLogger(__name__)

_BROKEN = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


class ReferenceImage(NamedTuple):
    """One image: a digest that stands for its pixels, how to get them, and the file that it is, '' for none."""

    digest: str
    load: Callable[[], Pixels]
    file: str = ""


class References(Protocol):
    """Where reference images come from: a painter, a table of captions with their photographs, a folder."""

    def identity(self) -> dict[str, Any]:
        """Everything that decides the reference, whatever the rows."""

    def has(self, rows: pd.DataFrame) -> list[bool]:
        """Whether there is something to compare each row's image with."""

    def images(self, rows: pd.DataFrame) -> list[ReferenceImage]:
        """What the images of these rows are compared with, each once."""


def distinct(images: Iterable[ReferenceImage]) -> list[ReferenceImage]:
    """Each of the images once, in order: two files that are equal are two images, as clean-fid counts them."""
    return list({(image.digest, image.file): image for image in images}.values())


class PairedReferences:
    """One image for each caption and seed, so that N images are compared with the N of the same prompts."""

    def __init__(self, images: Mapping[tuple[str, int], ReferenceImage], identity: Mapping[str, Any]) -> None:
        """`identity`: what decides the images, however many there are."""
        self._images = images
        self._identity = dict(identity)

    @classmethod
    def of_files(cls, files: Mapping[tuple[str, int], Path]) -> PairedReferences:
        """Photographs, e.g. COCO's, by caption and seed."""
        digests = file_digests(files.values())
        images = {key: photograph(path, digests[path]) for key, path in files.items()}
        content = [[prompt, seed, digests[path]] for (prompt, seed), path in files.items()]
        return cls(images, {"references": "files", "images": len(files), "sha256": digest(content)})

    def identity(self) -> dict[str, Any]:
        return self._identity

    def has(self, rows: pd.DataFrame) -> list[bool]:
        return [key in self._images for key in _keys(rows)]

    def images(self, rows: pd.DataFrame) -> list[ReferenceImage]:
        return distinct(self._images[key] for key in _keys(rows) if key in self._images)


def _keys(rows: pd.DataFrame) -> list[tuple[str, int]]:
    return [(str(prompt), int(seed)) for prompt, seed in zip(rows["prompt"], rows["seed"], strict=True)]


class FolderReferences:
    """All images of a folder, whatever the rows: the usual FID against a data set. UserError for one without any.

    Every file counts, in linked folders too and with its copies, as clean-fid counts; pictures that are left out
    (hidden, in formats that are not read) are named in a warning.
    """

    def __init__(self, folder: Path) -> None:
        found = files_below(folder) if folder.is_dir() else Files((), ())
        self.files = [path for path in found.files if path.suffix.lower() in IMAGE_SUFFIXES]
        if len(self.files) < 2:
            raise UserError(
                f"{readable(str(folder))} contains {len(self.files)} images, but FID needs at least two.",
                f"Give a folder with images ({', '.join(IMAGE_SUFFIXES)}).",
            )
        self.folder = folder
        left = [path for path, _ in found.left_out if path.suffix.lower() in (*IMAGE_SUFFIXES, *UNREAD_SUFFIXES)]
        left += [path for path, outcome in found.left_out if outcome != HIDDEN and path not in left]
        left += [path for path in found.files if path.suffix.lower() in UNREAD_SUFFIXES]
        if left:
            named = _some(left, folder)
            log.warning("%d files or folders in %s are not part of the reference: %s.", len(left), folder, named)

    def check(self) -> None:
        """UserError that names the images that cannot be opened, read off the beginning of every file."""
        broken = {path: why for path in self.files if (why := _trouble(path)) is not None}
        if broken:
            first = next(iter(broken))
            what = f"{len(broken)} of {len(self.files)} reference images cannot be read: {_some(broken, self.folder)}"
            raise UserError(f"{what} ({broken[first]}).", "Remove them from the folder, or save them again.")

    def identity(self) -> dict[str, Any]:
        digests = sorted(file_digests(self.files).values())
        return {"references": "folder", "images": len(self.files), "sha256": digest(digests)}

    def has(self, rows: pd.DataFrame) -> list[bool]:
        return [True] * len(rows)

    def images(self, rows: pd.DataFrame) -> list[ReferenceImage]:
        digests = file_digests(self.files)
        return [photograph(path, digests[path]) for path in self.files]


def _some(paths: Iterable[Path], folder: Path) -> str:
    names = [readable(path.relative_to(folder).as_posix()) for path in paths]
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def _trouble(path: Path) -> str | None:
    """Why an image file cannot be opened; None where it can."""
    try:
        with Image.open(path):
            return None
    except _BROKEN as error:
        return readable(str(error))


def photograph(path: Path, content: str) -> ReferenceImage:
    """An image file whose bytes have the digest `content`, in RGB as clean-fid reads it: grey is grey in all channels.

    Loading it raises UserError where it is no image.
    """

    def load() -> Pixels:
        try:
            with Image.open(path) as image:
                return np.asarray(image.convert("RGB"))
        except _BROKEN as error:
            what = f"The reference image {readable(str(path))} cannot be read: {readable(str(error))}."
            raise UserError(what, "Get that file again, or remove it.") from error

    return ReferenceImage(content, load, str(path))


class FeatureCache:
    """Features by image digest, kept in a folder for each extractor, so that a reference is looked at once."""

    _CHUNK = 256

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def features(
        self, images: Sequence[ReferenceImage], extractor: str, extract: Callable[[Sequence[Pixels]], np.ndarray]
    ) -> np.ndarray:
        """float32 [n, d] of the images, in order; `extractor` is the digest of everything that decides a feature."""
        if not images:
            return np.zeros((0, 0), dtype=np.float32)
        place = self.folder / extractor[:16]
        known = dict(_stored(place))
        todo = list({image.digest: image for image in images if image.digest not in known}.values())
        for start in range(0, len(todo), self._CHUNK):
            chunk = todo[start : start + self._CHUNK]
            found = extract([image.load() for image in chunk]).astype(np.float32)
            keys = [image.digest for image in chunk]
            try:
                with sealed_write(place / f"{digest(keys)[:16]}.npz") as temporary:
                    np.savez(temporary, keys=np.array(keys), features=found)
            except OSError as error:
                log.warning("Features of reference images cannot be stored in %s (%s).", place, error.strerror)
            known.update(zip(keys, found, strict=True))
        return np.stack([known[image.digest] for image in images]).astype(np.float32)


def _stored(folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    for path in sorted(folder.glob("[0-9a-f]*.npz")):
        try:
            found = _parsed(path) if not is_sealed(path) or whole(path) else None
        except OSError as error:
            log.warning("%s is not used: it is damaged, and cannot be set aside (%s).", path, error.strerror)
            continue
        if found is not None:
            yield from zip(*found, strict=True)


def _parsed(path: Path) -> tuple[list[str], np.ndarray] | None:
    """Keys and features [n, d] of a cache file; None for one that holds none, which is set aside.

    A file from before the cache had digests gets one. OSError where a damaged one lies in a folder that is read only.
    """
    try:
        with np.load(path, allow_pickle=False) as content:
            keys, features = content["keys"], content["features"]
        if keys.ndim != 1 or keys.dtype.kind != "U" or features.ndim != 2 or len(keys) != len(features):
            raise ValueError("it does not contain a row of features for each key")
        if features.dtype != np.float32 or not np.isfinite(features).all():
            raise ValueError("it contains features that are not finite 32-bit numbers")
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        aside = set_aside(path).name
        log.warning("%s cannot be read (%s): it is set aside as %s and made again.", path, error, aside)
        return None
    if not is_sealed(path):
        with suppress(OSError):
            seal(path)
    return keys.tolist(), features
