"""Contact sheets: the same prompts and seeds before and after, side by side, as one PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap

from PIL import Image, ImageChops, ImageDraw, ImageFont, ImageStat

from erasebench.files.atomic import atomic_write

ROWS_PER_BLOCK = 6
_TILE = 128
_GAP = 8
_LABEL = 168
_MARGIN = 20
_TITLE = 26
_DESCENT = 3
_PAPER, _INK, _QUIET = (255, 255, 255), (32, 32, 36), (112, 112, 120)
_LINE_CHARACTERS = 25
_LABEL_LINES = 7
_COLOUR_STEP = 4
"""Photographs' colours are rounded to it: no eye can tell, and the file is a third smaller."""
_PALETTE = 256
_PALETTE_ERROR = 2.0
"""Pictures that a palette shows this well, in levels on average, are written by one: half the size again."""


def write_contact_sheet(
    path: Path,
    columns: Sequence[tuple[str, Sequence[Image.Image]]],
    row_labels: Sequence[str],
) -> Path:
    """Write the sheet atomically and return `path`.

    columns: (title, images), one image per row label in each; row_labels: a first line in dark ink (the concept), the
    further lines paler (the prompt, the seed). More than ROWS_PER_BLOCK rows flow into further blocks to the right.
    Small images are enlarged without smoothing, so that a pixel stays a pixel. Colours are of the sheet's own palette
    where that is off by 2 of 255 on average at most, as for painted pictures; else each is off by 2 at most.
    ValueError where the counts differ.
    """
    if not columns or not row_labels or any(len(images) != len(row_labels) for _, images in columns):
        counts = {title: len(images) for title, images in columns}
        raise ValueError(f"a contact sheet needs one image per row in every column: {len(row_labels)} rows, {counts}")
    blocks = -(-len(row_labels) // ROWS_PER_BLOCK)
    # Rows are dealt evenly, so that eight rows are two blocks of four and not six and two.
    rows = -(-len(row_labels) // blocks)
    block_width = _LABEL + len(columns) * (_TILE + _GAP)
    width = 2 * _MARGIN + blocks * block_width + (blocks - 1) * _MARGIN
    height = 2 * _MARGIN + _TITLE + rows * (_TILE + _GAP) - _GAP
    sheet = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for index, label in enumerate(row_labels):
        block, row = divmod(index, rows)
        left = _MARGIN + block * (block_width + _MARGIN)
        top = _MARGIN + _TITLE + row * (_TILE + _GAP)
        _write_label(draw, (left, top), label)
        for number, (title, images) in enumerate(columns):
            x = left + _LABEL + number * (_TILE + _GAP)
            if row == 0:
                draw.text(
                    (x + _TILE // 2, top - _GAP - _DESCENT),
                    title,
                    fill=_INK,
                    font=_font(15),
                    anchor="ms",
                )
            tile = _tile(images[index])
            sheet.paste(tile, (x + (_TILE - tile.width) // 2, top + (_TILE - tile.height) // 2))
    with atomic_write(path) as temporary:
        _compact(sheet).save(temporary, format="PNG", optimize=True)
    return path


def _compact(sheet: Image.Image) -> Image.Image:
    palette = sheet.quantize(_PALETTE, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    off = ImageStat.Stat(ImageChops.difference(sheet, palette.convert("RGB"))).mean
    return palette if max(off) <= _PALETTE_ERROR else sheet.point(_rounded)


def _rounded(level: int) -> int:
    return min(255, round(level / _COLOUR_STEP) * _COLOUR_STEP)


def _tile(image: Image.Image) -> Image.Image:
    """The image as RGB, its longer side _TILE pixels."""
    scale = _TILE / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    resample = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.LANCZOS
    return image.convert("RGB").resize(size, resample)


def _write_label(draw: ImageDraw.ImageDraw, corner: tuple[int, int], label: str) -> None:
    first, _, rest = label.partition("\n")
    lines = [(line, _INK) for line in wrap(first, _LINE_CHARACTERS)]
    lines += [(line, _QUIET) for part in rest.splitlines() for line in wrap(part, _LINE_CHARACTERS)]
    if len(lines) > _LABEL_LINES:
        lines = [*lines[: _LABEL_LINES - 1], ("...", _QUIET)]
    for number, (line, ink) in enumerate(lines):
        draw.text((corner[0], corner[1] + 2 + number * 17), line, fill=ink, font=_font(13))


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
