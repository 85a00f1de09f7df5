"""The pixels of an image file as the judges want them, or the outcome that says what is wrong with it."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from erasebench.api.judge import SCORED, Pixels
from erasebench.judges.image_files import UNREAD_SUFFIXES

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

EMPTY, NO_IMAGE, TRUNCATED = "empty-file", "not-an-image", "truncated"
TOO_SMALL, TOO_LARGE, SIXTEEN_BIT = "too-small", "too-large", "16-bit"
FORMAT, ANIMATED, TRANSPARENT = "format-not-read", "animated", "transparent"
SMALLEST_SIDE = 8
"""Pixels; a smaller image shows nothing that a judge could look at."""
_FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "BMP", "DIB", "TIFF", "PPM")
"""What Pillow calls the formats that are read, whatever a file's name ends in."""
_STILL = ("MPO",)
"""A camera's JPEG with previews of the same picture after it: the first picture is the picture."""
_MODES = {
    **{"1": "greyscale", "L": "greyscale", "P": "palette", "RGBA": "rgba", "RGBa": "rgba", "CMYK": "cmyk"},
    **{"I": SIXTEEN_BIT, "F": "float"},
}
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error)


class Read(NamedTuple):
    """An image's pixels, or None with the outcome that names what is wrong; `converted`: what it was before."""

    pixels: Pixels | None
    outcome: str
    converted: str | None = None


def read_image(path: Path, *, convert: bool = False) -> Read:
    """An image as the judges want it, uint8 [h, w, 3]. Nothing is changed unless `convert` asks for it.

    With `convert`, grey, palette, transparent (on white), CMYK and 16-bit images become RGB by Pillow's rules. Animated
    pictures and those of several pages have the outcome "animated": no frame stands for the others.
    """
    try:
        if not path.stat().st_size:
            return Read(None, EMPTY)
        with Image.open(path) as image:
            return _read(image, convert)
    except Image.DecompressionBombError:
        return Read(None, TOO_LARGE)
    except _BROKEN:
        return Read(None, FORMAT if path.suffix.lower() in UNREAD_SUFFIXES else NO_IMAGE)


def _read(image: ImageFile, convert: bool) -> Read:
    try:
        if getattr(image, "is_animated", False) and image.format not in _STILL:
            return Read(None, ANIMATED)
        if image.format not in _FORMATS:
            return Read(None, FORMAT)
        kind = _kind(image)
        image.load()
    except _BROKEN:
        return Read(None, TRUNCATED)
    if min(image.size) < SMALLEST_SIDE:
        return Read(None, TOO_SMALL)
    # A palette's or a PNG's transparent colour may stand behind the pixels and is known only now.
    if kind is None and image.has_transparency_data:
        kind = TRANSPARENT
    if kind is None:
        return Read(np.asarray(image), SCORED)
    rgb = _rgb(image, kind) if convert else None
    return Read(None, kind) if rgb is None else Read(np.asarray(rgb), SCORED, kind)


def _kind(image: ImageFile) -> str | None:
    """What an image is instead of opaque 8-bit RGB; None where it is that. Pillow itself halves 16-bit colour."""
    raw = [str(argument) for tile in image.tile for argument in _arguments(tile)]
    if image.mode.startswith("I;16") or any(";16" in argument for argument in raw):
        return SIXTEEN_BIT
    if image.has_transparency_data:
        return _MODES.get(image.mode, TRANSPARENT) if image.mode in ("RGBA", "RGBa") else TRANSPARENT
    return None if image.mode == "RGB" else _MODES.get(image.mode, "not-rgb")


def _arguments(tile: tuple) -> tuple:
    arguments = tile[3]
    return arguments if isinstance(arguments, tuple) else (arguments,)


def _rgb(image: Image.Image, kind: str) -> Image.Image | None:
    """The image as RGB; None where there is no one way to do it."""
    # The transparent colour of a 16-bit picture is given in 16 bits, its pixels are not; floats have no white point.
    if kind == "float" or (kind == SIXTEEN_BIT and "transparency" in image.info):
        return None
    if image.mode.startswith("I"):
        return _eight_bit(image)
    if image.has_transparency_data:
        ground = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def _eight_bit(image: Image.Image) -> Image.Image | None:
    values = np.asarray(image).astype(np.float64)
    if values.min() < 0 or values.max() > 2**16 - 1:
        return None
    return Image.fromarray((values / 257).round().astype(np.uint8)).convert("RGB")
