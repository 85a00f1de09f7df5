"""Whatever lies in a folder is scored or named: links, hidden files, formats that are not read, animated pictures."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from erasebench.cli import main
from erasebench.scoring.folder import list_images
from erasebench.scoring.pixels import read_image


def _picture(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (20, 20, 3), dtype=np.uint8)).save(path)
    return path


def _animated(path: Path) -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue", "green")]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def test_linked_folders_are_followed_once_and_never_in_circles(tmp_path: Path) -> None:
    folder, disk = tmp_path / "in", tmp_path / "disk"
    _picture(folder / "a" / "1.png")
    _picture(disk / "2.png")
    os.symlink(disk, folder / "b", target_is_directory=True)
    os.symlink(disk, folder / "c", target_is_directory=True)
    os.symlink(folder, folder / "a" / "up", target_is_directory=True)
    os.symlink(tmp_path, disk / "above", target_is_directory=True)
    os.symlink(tmp_path / "gone.png", folder / "gone.png")
    listing = list_images(folder)
    assert [image.file for image in listing.images] == ["a/1.png", "b/2.png"]
    assert {left.image.file: left.outcome for left in listing.left_out} == {
        **{"c": "linked-twice", "a/up": "linked-twice", "b/above": "linked-twice", "gone.png": "broken-link"},
    }


@pytest.mark.parametrize("suffix", [".webp", ".png", ".gif", ".tiff"])
@pytest.mark.parametrize("convert", [False, True])
def test_no_frame_stands_for_an_animation(tmp_path: Path, suffix: str, convert: bool) -> None:
    _animated(tmp_path / f"a{suffix}")
    assert read_image(tmp_path / f"a{suffix}", convert=convert) == (None, "animated", None)


@pytest.mark.parametrize(
    ("name", "outcome"),
    [("a.gif", "format-not-read"), ("a.jp2", "format-not-read"), ("a.jfif", "scored"), ("a.ppm", "scored")],
)
def test_a_format_is_read_or_named(tmp_path: Path, name: str, outcome: str) -> None:
    image = Image.new("RGB", (20, 20), "red")
    image.save(tmp_path / name, {"jfif": "JPEG", "jp2": "JPEG2000"}.get(name[2:]))
    assert read_image(tmp_path / name).outcome == outcome
    (tmp_path / "b.heic").write_bytes(b"no picture that Pillow knows")
    assert read_image(tmp_path / "b.heic").outcome == "format-not-read"


def test_transparent_pictures_of_every_mode_are_named_and_lie_on_white_where_asked(tmp_path: Path) -> None:
    disc = (np.indices((40, 40)) - 20).__pow__(2).sum(0) < 150
    red = np.where(disc[..., None], (200, 30, 30), 0).astype(np.uint8)
    alpha = Image.fromarray((disc * 255).astype(np.uint8))
    clear = Image.fromarray(red)
    clear.putalpha(alpha)
    grey = Image.fromarray(red).convert("L")
    clear.save(tmp_path / "rgba.png")
    clear.quantize(32).save(tmp_path / "palette.png")
    Image.merge("LA", (grey, alpha)).save(tmp_path / "la.png")
    Image.fromarray(red).save(tmp_path / "rgb.png", transparency=(0, 0, 0))
    grey.save(tmp_path / "grey.png", transparency=0)
    for name in ("rgba", "palette", "la", "rgb", "grey"):
        kind = "rgba" if name == "rgba" else "transparent"
        assert read_image(tmp_path / f"{name}.png") == (None, kind, None)
        pixels = read_image(tmp_path / f"{name}.png", convert=True).pixels
        assert pixels is not None and (pixels[~disc] == 255).all() and (pixels[disc] < 210).all()


def test_sixteen_bit_colour_with_alpha_is_not_made_black(tmp_path: Path) -> None:
    import cv2

    cv2.imwrite(str(tmp_path / "deep.png"), np.full((20, 20, 4), 60_000, dtype=np.uint16))
    read = read_image(tmp_path / "deep.png", convert=True)
    assert read.converted == "16-bit" and read.pixels is not None and read.pixels.min() > 230


def test_what_is_not_scored_is_counted_and_has_its_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("=a ship_1.png", "._a ship_1.png"):
        _picture(tmp_path / "in" / name)
    os.rename(_picture(tmp_path / "in" / "x.png"), bytes(tmp_path / "in") + b"/caf\xe9_2.png")
    _animated(tmp_path / "in" / "a car_3.gif")
    (tmp_path / "in" / ".DS_Store").touch()
    for kind in (".csv", ".json", ".parquet"):
        out = tmp_path / f"rows{kind}"
        command = ["score", str(tmp_path / "in"), "--judge", "clip-score", "--world", "miniature", "--out", str(out)]
        assert main(command) == 0
        printed = capsys.readouterr().out
        assert "Files: 3 images, 1 of them in formats that are not read (a car_3.gif)" in printed
        assert "2 hidden left out (.DS_Store, ._a ship_1.png)" in printed
    rows = pd.read_csv(tmp_path / "rows.csv").set_index("file")["clip-score.outcome"].to_dict()
    assert rows == {
        **{"'=a ship_1.png": "scored", "caf\\udce9_2.png": "name-not-utf-8", "a car_3.gif": "animated"},
        **{".DS_Store": "hidden", "._a ship_1.png": "hidden"},
    }
