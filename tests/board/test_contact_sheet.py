from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from erasebench.board.contact_sheet import ROWS_PER_BLOCK, write_contact_sheet

RED, BLUE = (200, 28, 28), (28, 28, 200)


def plain(color: tuple[int, int, int], size: tuple[int, int] = (64, 64)) -> Image.Image:
    return Image.new("RGB", size, color)


def pixels_of(path: Path, color: tuple[int, int, int]) -> np.ndarray:
    """Where the sheet has exactly this colour: int [n, 2], (row, column)."""
    return np.argwhere((np.asarray(Image.open(path).convert("RGB")) == color).all(axis=-1))


def test_before_stands_left_of_after_at_twice_the_size(tmp_path: Path) -> None:
    path = write_contact_sheet(tmp_path / "s" / "a.png", [("before", [plain(RED)]), ("after", [plain(BLUE)])], ["Ada"])
    before, after = pixels_of(path, RED), pixels_of(path, BLUE)
    assert len(before) == len(after) == 128 * 128
    assert before[:, 1].max() < after[:, 1].min()
    assert before[:, 0].min() == after[:, 0].min()


def shown(path: Path) -> np.ndarray:
    """The only picture of a sheet of one, at twice its size."""
    sheet = np.asarray(Image.open(path).convert("RGB")).astype(int)
    return sheet[-20 - 128 : -20, -20 - 8 - 128 : -20 - 8]


def test_painted_pictures_are_written_by_a_palette_close_to_them(tmp_path: Path) -> None:
    flat = np.random.default_rng(1).integers(0, 255, (8, 8, 3), dtype=np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    path = write_contact_sheet(tmp_path / "a.png", [("before", [Image.fromarray(flat)])], ["Ada"])
    assert Image.open(path).mode == "P"
    assert np.abs(shown(path) - flat.repeat(2, axis=0).repeat(2, axis=1)).mean() < 8


def test_colours_of_photographs_move_by_two_at_most(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (128, 128, 3), dtype=np.uint8)
    path = write_contact_sheet(tmp_path / "a.png", [("before", [Image.fromarray(noise)])], ["Ada"])
    assert Image.open(path).mode == "RGB"
    assert np.abs(shown(path) - noise).max() == 2
    assert set(np.unique(shown(path)[shown(path) < 255] % 4)) == {0}


def test_many_rows_flow_into_even_blocks(tmp_path: Path) -> None:
    labels = [f"row {i}" for i in range(ROWS_PER_BLOCK + 2)]
    colors = [(12 * i, 200, 88) for i in range(len(labels))]
    path = write_contact_sheet(tmp_path / "a.png", [("before", [plain(color) for color in colors])], labels)
    corners = [tuple(pixels_of(path, color).min(axis=0)) for color in colors]
    lefts = sorted({left for _, left in corners})
    assert [sum(left == block for _, left in corners) for block in lefts] == [4, 4]
    assert corners[0][0] == corners[4][0]


def test_large_and_oblong_images_fit_their_tile(tmp_path: Path) -> None:
    path = write_contact_sheet(tmp_path / "a.png", [("before", [plain(RED, (512, 256))])], ["Ada"])
    spot = pixels_of(path, RED)
    assert tuple(spot.max(axis=0) - spot.min(axis=0) + 1) == (64, 128)


def test_labels_are_written_and_long_ones_cut(tmp_path: Path) -> None:
    def ink(label: str) -> int:
        path = write_contact_sheet(tmp_path / "a.png", [("b", [plain(RED)])], [label])
        return int((np.asarray(Image.open(path).convert("L")) < 160).sum())

    assert ink("Ada Reed\nA portrait of Ada Reed\nseed 1") > ink("Ada") > ink("")
    write_contact_sheet(tmp_path / "b.png", [("b", [plain(RED)])], ["word " * 200])
    assert Image.open(tmp_path / "b.png").size == Image.open(tmp_path / "a.png").size


def test_the_same_images_give_the_same_bytes(tmp_path: Path) -> None:
    columns = [("before", [plain(RED)]), ("after", [plain(BLUE)])]
    first = write_contact_sheet(tmp_path / "a.png", columns, ["Ada"]).read_bytes()
    assert write_contact_sheet(tmp_path / "b.png", columns, ["Ada"]).read_bytes() == first


def test_a_missing_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one image per row in every column: 2 rows, {'before': 2, 'after': 1}"):
        write_contact_sheet(tmp_path / "a.png", [("before", [plain(RED)] * 2), ("after", [plain(RED)])], ["a", "b"])
