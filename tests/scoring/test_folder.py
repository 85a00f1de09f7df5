"""Every broken or strange image is a named outcome."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from erasebench.api.judge import SCORED
from erasebench.errors import UserError
from erasebench.scoring.folder import list_images
from erasebench.scoring.pixels import SMALLEST_SIDE, read_image


def _rgb(path: Path, size: tuple[int, int] = (40, 30)) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def _as(mode: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        _rgb(path)
        Image.open(path).convert(mode).save(path, "TIFF" if mode == "CMYK" else "PNG")

    return write


def _sixteen_bit_grey(path: Path) -> None:
    Image.fromarray(np.full((20, 20), 40_000, dtype=np.uint16)).save(path)


def _sixteen_bit_colour(path: Path) -> None:
    import cv2

    cv2.imwrite(str(path), np.full((20, 20, 3), 40_000, dtype=np.uint16))


def _cut(path: Path) -> None:
    _rgb(path, (200, 200))
    path.write_bytes(path.read_bytes()[:-3000])


def _damaged(path: Path) -> None:
    _rgb(path, (200, 200))
    content = bytearray(path.read_bytes())
    content[60:90] = b"\xff" * 30
    path.write_bytes(content)


STRANGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (Path.touch, "empty-file"),
    "text": (lambda path: path.write_text("not an image"), "not-an-image"),
    "head": (lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n"), "not-an-image"),
    "cut": (_cut, "truncated"),
    "damaged": (_damaged, "truncated"),
    "grey": (_as("L"), "greyscale"),
    "black and white": (_as("1"), "greyscale"),
    "palette": (_as("P"), "palette"),
    "transparent": (_as("RGBA"), "rgba"),
    "cmyk": (_as("CMYK"), "cmyk"),
    "16-bit grey": (_sixteen_bit_grey, "16-bit"),
    "16-bit colour": (_sixteen_bit_colour, "16-bit"),
    "one pixel": (lambda path: _rgb(path, (1, 1)), "too-small"),
    "gone": (lambda path: None, "not-an-image"),
}
CONVERTED = ("grey", "black and white", "palette", "transparent", "cmyk", "16-bit grey", "16-bit colour")


@pytest.mark.parametrize("name", STRANGE)
def test_a_strange_image_is_named(tmp_path: Path, name: str) -> None:
    write, outcome = STRANGE[name]
    write(tmp_path / "image.png")
    assert read_image(tmp_path / "image.png") == (None, outcome, None)
    converted = read_image(tmp_path / "image.png", convert=True)
    if name in CONVERTED:
        assert converted.outcome == SCORED and converted.converted == outcome
        assert converted.pixels is not None and converted.pixels.dtype == np.uint8 and converted.pixels.shape[2] == 3
    else:
        assert converted == (None, outcome, None)


def test_an_ordinary_image_comes_as_it_is(tmp_path: Path) -> None:
    _rgb(tmp_path / "image.png")
    read = read_image(tmp_path / "image.png")
    np.testing.assert_array_equal(read.pixels, np.asarray(Image.open(tmp_path / "image.png")))
    assert read[1:] == (SCORED, None)


def test_sixteen_bits_become_eight_and_what_is_transparent_white(tmp_path: Path) -> None:
    _sixteen_bit_grey(tmp_path / "deep.png")
    pixels = read_image(tmp_path / "deep.png", convert=True).pixels
    assert pixels is not None and (pixels == round(40_000 / 257)).all()
    Image.new("RGBA", (20, 20), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    pixels = read_image(tmp_path / "clear.png", convert=True).pixels
    assert pixels is not None and (pixels == 255).all()


def test_an_image_too_large_to_open_safely_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _rgb(tmp_path / "image.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert read_image(tmp_path / "image.png").outcome == "too-large"


@pytest.mark.parametrize(
    ("name", "prompt", "seed", "number"),
    [
        ("A portrait of Adam Driver_12.png", "A portrait of Adam Driver", 12, None),
        ("000123.png", None, None, 123),
        ("12_3.png", None, None, 12),
        ("7_a red ball_4.jpg", "7_a red ball", 4, 7),
        ("a_b_c_9.png", "a_b_c", 9, None),
        ("picture.webp", None, None, None),
        ("3 dogs.png", None, None, None),
    ],
)
def test_a_name_tells_prompt_and_seed_or_a_number(
    tmp_path: Path, name: str, prompt: str | None, seed: int | None, number: int | None
) -> None:
    (tmp_path / "erased").mkdir()
    (tmp_path / "erased" / name).touch()
    (image,) = list_images(tmp_path).images
    assert (image.prompt, image.seed, image.number) == (prompt, seed, number)
    assert (image.folder, image.file) == ("erased", f"erased/{name}")


def test_other_files_are_told_and_hidden_ones_left_out(tmp_path: Path) -> None:
    for name in ("a.png", "b.JPEG", "notes.txt", "sub/prompts.csv", ".hidden.png", ".cache/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    listing = list_images(tmp_path)
    assert [image.file for image in listing.images] == ["a.png", "b.JPEG"]
    assert listing.foreign == ("notes.txt", "sub/prompts.csv")


def test_a_folder_without_images_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UserError, match="contains 1 files, but no image"):
        list_images(tmp_path)
    with pytest.raises(UserError, match="There is no folder"):
        list_images(tmp_path / "nowhere")
    assert SMALLEST_SIDE > 1
