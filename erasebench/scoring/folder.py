"""A folder of images that somebody else made: its files, what their names say, and what is left out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from erasebench.errors import UserError
from erasebench.files.file_names import readable
from erasebench.judges.image_files import HIDDEN, IMAGE_SUFFIXES, UNREAD_SUFFIXES, files_below
from erasebench.scoring.spelling import composed

_PROMPT_AND_SEED = re.compile(r"(?P<prompt>.*[^0-9_.\-\s].*)_(?P<seed>[0-9]{1,19})", re.DOTALL)
_NUMBER = re.compile(r"(?P<number>[0-9]{1,18})(?:_(?P<rest>.*))?", re.DOTALL)


@dataclass(frozen=True)
class NamedImage:
    """One image file and what its name says: folder ("" at the top), prompt and seed, or a number.

    `number`: of a name that is a number as a whole, or that begins with one and `_`; `rest` is what follows the `_`,
    None where nothing does. Prompts are composed (NFC), as tables and tokenizers have them; a name that is not UTF-8
    has none.
    """

    path: Path
    file: str
    folder: str
    prompt: str | None
    seed: int | None
    number: int | None
    rest: str | None = None

    @property
    def utf8(self) -> bool:
        """Whether the file's name is valid UTF-8."""
        return readable(self.path.name) == self.path.name


class LeftFile(NamedTuple):
    """A file or folder that is not scored, and the outcome that says why."""

    image: NamedImage
    outcome: str


class Listing(NamedTuple):
    """A folder's images sorted by name (formats that are not read among them), what is left out, and other files."""

    images: tuple[NamedImage, ...]
    foreign: tuple[str, ...]
    left_out: tuple[LeftFile, ...] = ()

    @property
    def unread(self) -> tuple[str, ...]:
        """The images in formats that are not read."""
        return tuple(image.file for image in self.images if image.path.suffix.lower() in UNREAD_SUFFIXES)


def list_images(folder: Path) -> Listing:
    """Every image below `folder`, those in linked folders too. UserError where there is no folder or no image in it."""
    if not folder.is_dir():
        raise UserError(f"There is no folder {readable(str(folder))}.", "Give a folder of images.")
    found = files_below(folder)
    images = tuple(named(path, folder) for path in found.files if is_picture(path))
    foreign = tuple(readable(p.relative_to(folder).as_posix()) for p in found.files if not is_picture(p))
    left = tuple(
        LeftFile(named(path, folder), outcome)
        for path, outcome in found.left_out
        # Of a hidden folder (.git) only the pictures are of interest.
        if outcome != HIDDEN or is_picture(path) or path.name.startswith(".")
    )
    if not images:
        kinds = ", ".join(IMAGE_SUFFIXES)
        aside = f" ({len(left)} more left out, e.g. {left[0].image.file}: {left[0].outcome})" if left else ""
        what = f"{readable(str(folder))} contains {len(foreign)} files, but no image{aside}."
        raise UserError(what, f"Images end in {kinds}.")
    return Listing(images, foreign, left)


def is_picture(path: Path) -> bool:
    """Whether a file is a picture by the end of its name, one that is read or one that is not."""
    return path.suffix.lower() in (*IMAGE_SUFFIXES, *UNREAD_SUFFIXES)


def named(path: Path, root: Path) -> NamedImage:
    """What the name of the file `path` below the folder `root` says."""
    file = path.relative_to(root)
    utf8, stem = readable(path.stem) == path.stem, composed(path.stem)
    given, first = _PROMPT_AND_SEED.fullmatch(stem) if utf8 else None, _NUMBER.fullmatch(stem)
    return NamedImage(
        path=path,
        file=readable(file.as_posix()),
        folder=readable(file.parent.as_posix()) if file.parent != Path() else "",
        prompt=given["prompt"] if given else None,
        seed=int(given["seed"]) if given else None,
        number=int(first["number"]) if first else None,
        rest=first["rest"] if first else None,
    )
