"""A folder of images that somebody else made: its files, what their names tell, and what is wrong with any of them."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from erasebench.errors import UserError
from erasebench.judges.base import SCORED, Pixels
from erasebench.judges.references import IMAGE_SUFFIXES

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

EMPTY, NO_IMAGE, TRUNCATED = "empty-file", "not-an-image", "truncated"
TOO_SMALL, TOO_LARGE, SIXTEEN_BIT = "too-small", "too-large", "16-bit"
SMALLEST_SIDE = 8
"""Pixels; a smaller image shows nothing that a judge could look at."""
_MODES = {
    **{"1": "greyscale", "L": "greyscale", "LA": "greyscale", "La": "greyscale", "P": "palette", "PA": "palette"},
    **{"RGBA": "rgba", "RGBX": "rgba", "RGBa": "rgba", "CMYK": "cmyk", "YCbCr": "not-rgb", "LAB": "not-rgb"},
    **{"HSV": "not-rgb", "I": SIXTEEN_BIT, "F": SIXTEEN_BIT},
}
_PROMPT_AND_SEED = re.compile(r"(?P<prompt>.*\D.*)_(?P<seed>\d{1,19})")
_NUMBER_FIRST = re.compile(r"(?P<number>\d{1,18})(?:\D.*)?")


@dataclass(frozen=True)
class NamedImage:
    """One image file and what its name tells: folder ("" at the top), prompt and seed, or a number at its beginning."""

    path: Path
    file: str
    folder: str
    prompt: str | None
    seed: int | None
    number: int | None


class Listing(NamedTuple):
    """A folder's images, sorted by name, and its other files."""

    images: tuple[NamedImage, ...]
    foreign: tuple[str, ...]


def list_images(folder: Path) -> Listing:
    """Every image below `folder`. UserError where there is no folder or no image in it."""
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}.", "Give a folder of images.")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    shown = [path for path in files if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    images = tuple(_named(path, folder) for path in shown if path.suffix.lower() in IMAGE_SUFFIXES)
    foreign = tuple(p.relative_to(folder).as_posix() for p in shown if p.suffix.lower() not in IMAGE_SUFFIXES)
    if not images:
        kinds = ", ".join(IMAGE_SUFFIXES)
        raise UserError(f"{folder} holds {len(foreign)} files and no image among them.", f"Images end in {kinds}.")
    return Listing(images, foreign)


def _named(path: Path, root: Path) -> NamedImage:
    file = path.relative_to(root)
    told, first = _PROMPT_AND_SEED.fullmatch(path.stem), _NUMBER_FIRST.fullmatch(path.stem)
    return NamedImage(
        path=path,
        file=file.as_posix(),
        folder=file.parent.as_posix() if file.parent != Path() else "",
        prompt=told["prompt"] if told else None,
        seed=int(told["seed"]) if told else None,
        number=int(first["number"]) if first else None,
    )


class Read(NamedTuple):
    """An image's pixels, or None with the outcome that names what is wrong; `converted`: what it was before."""

    pixels: Pixels | None
    outcome: str
    converted: str | None = None


def read_image(path: Path, *, convert: bool = False) -> Read:
    """An image as the judges want it, uint8 [h, w, 3]. Nothing is mended unless `convert` asks for it.

    With `convert`, grey, palette, transparent (on white), CMYK and 16-bit images become RGB by Pillow's rules.
    """
    try:
        if not path.stat().st_size:
            return Read(None, EMPTY)
        with Image.open(path) as image:
            kind = _kind(image)
            try:
                image.load()
            except (OSError, SyntaxError, ValueError, EOFError, struct.error):
                return Read(None, TRUNCATED)
            if min(image.size) < SMALLEST_SIDE:
                return Read(None, TOO_SMALL)
            if kind is None:
                return Read(np.asarray(image), SCORED)
            if not convert:
                return Read(None, kind)
            return Read(np.asarray(_CONVERSIONS.get(kind, _plainly)(image)), SCORED, kind)
    except Image.DecompressionBombError:
        return Read(None, TOO_LARGE)
    except (OSError, SyntaxError, ValueError, EOFError, struct.error):
        return Read(None, NO_IMAGE)


def _kind(image: ImageFile) -> str | None:
    """What an image is instead of 8-bit RGB; None where it is that. Pillow itself halves 16-bit colour silently."""
    raw = [str(argument) for tile in image.tile for argument in _arguments(tile)]
    if image.mode.startswith("I;16") or any(";16" in argument for argument in raw):
        return SIXTEEN_BIT
    return None if image.mode == "RGB" else _MODES.get(image.mode, "not-rgb")


def _arguments(tile: tuple) -> tuple:
    arguments = tile[3]
    return arguments if isinstance(arguments, tuple) else (arguments,)


def _plainly(image: Image.Image) -> Image.Image:
    return image.convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    ground = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")


def _eight_bit(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    values = np.asarray(image).astype(np.float64)
    return Image.fromarray((values / 257).clip(0, 255).round().astype(np.uint8)).convert("RGB")


_CONVERSIONS: Mapping[str, Callable[[Image.Image], Image.Image]] = {"rgba": _on_white, SIXTEEN_BIT: _eight_bit}
