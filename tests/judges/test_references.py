from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from erasebench.errors import UserError
from erasebench.judges.references import FeatureCache, FolderReferences, PairedReferences


def _photograph(path: Path, value: int, mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (12, 10), value if mode == "L" else (value, value, value)).save(path)
    return path


def _rows(*keys: tuple[str, int]) -> pd.DataFrame:
    return pd.DataFrame(keys, columns=["prompt", "seed"])


def test_photographs_belong_to_caption_and_seed_and_grey_ones_are_grey_in_all_channels(tmp_path: Path) -> None:
    files = {
        ("a dog", 1): _photograph(tmp_path / "1.jpg", 50),
        ("a dog", 2): _photograph(tmp_path / "2.png", 90, "L"),
    }
    references = PairedReferences.of_files(files)
    rows = _rows(("a dog", 2), ("a cat", 1), ("a dog", 1), ("a dog", 2))
    assert references.has(rows) == [True, False, True, True]
    found = [image.load() for image in references.images(rows)]
    assert [image.shape for image in found] == [(10, 12, 3)] * 2
    assert (found[0] == 90).all()
    assert references.identity() == PairedReferences.of_files(files).identity()
    _photograph(tmp_path / "1.jpg", 51)
    assert references.identity() != PairedReferences.of_files(files).identity()


def test_a_photograph_that_is_none_is_named_when_it_is_needed(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").write_bytes(b"no image")
    (image,) = PairedReferences.of_files({("a", 1): tmp_path / "1.jpg"}).images(_rows(("a", 1)))
    with pytest.raises(UserError, match=r"1\.jpg cannot be read"):
        image.load()


def test_a_folder_is_compared_whole_whatever_the_rows(tmp_path: Path) -> None:
    for name in ("b.png", "sub/a.JPG", "again.png"):
        _photograph(tmp_path / name, 10 if name != "sub/a.JPG" else 20)
    (tmp_path / "notes.txt").write_text("no image")
    references = FolderReferences(tmp_path)
    rows = _rows(("anything", 3), ("else", 4))
    assert references.has(rows) == [True, True]
    assert len(references.images(rows)) == 2, "the same picture twice is one"
    assert references.identity()["images"] == 3


def test_a_folder_without_two_images_is_named(tmp_path: Path) -> None:
    _photograph(tmp_path / "one.png", 1)
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UserError, match="FID needs at least two"):
            FolderReferences(folder)


def test_a_broken_cache_names_its_file(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path / "features")
    place = tmp_path / "features" / ("ab" * 8)
    place.mkdir(parents=True)
    (place / "0123.npz").write_bytes(b"torn")
    references = PairedReferences.of_files({("a", 1): _photograph(tmp_path / "1.png", 1)}).images(_rows(("a", 1)))
    with pytest.raises(UserError, match=r"0123\.npz cannot be read"):
        cache.features(references, "ab" * 32, lambda pixels: np.zeros((len(pixels), 2)))
