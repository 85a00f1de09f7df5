"""The images that FID compares with: every file counts, and what cannot be read is named before any work."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from erasebench.api.judge import Pixels
from erasebench.errors import UserError
from erasebench.judges.references import FeatureCache, FolderReferences, PairedReferences


def _folder(place: Path, n: int = 3) -> Path:
    place.mkdir()
    for at in range(n):
        Image.fromarray(np.full((16, 16, 3), 40 * at, np.uint8)).save(place / f"{at}.png")
    return place


def test_copies_count_each_time_and_are_looked_at_once(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "in")
    shutil.copy(folder / "2.png", folder / "3.png")
    os.symlink(_folder(tmp_path / "disk", 1), folder / "linked", target_is_directory=True)
    looked: list[int] = []

    def extract(images: object) -> np.ndarray:
        means = np.array([[image.mean()] for image in images])  # type: ignore[attr-defined]
        looked.append(len(means))
        return means

    images = FolderReferences(folder).images(pd.DataFrame())
    features = FeatureCache(tmp_path / "cache").features(images, "0" * 64, extract)
    assert sorted(features[:, 0].tolist()) == [0, 0, 40, 80, 80]
    assert looked == [3]


def test_paired_copies_count_each_time_and_one_photograph_of_two_captions_once(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "in", 1)
    shutil.copy(folder / "0.png", folder / "copy.png")
    files = {("a", 1): folder / "0.png", ("b", 1): folder / "copy.png", ("c", 1): folder / "0.png"}
    rows = pd.DataFrame({"prompt": ["a", "b", "c"], "seed": [1, 1, 1]})
    assert len(PairedReferences.of_files(files).images(rows)) == 2


def test_a_huge_or_broken_reference_is_named_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = _folder(tmp_path / "in")
    (folder / "broken.png").write_text("no picture")
    (folder / "moving.gif").touch()
    Image.new("1", (100, 100)).save(folder / "scan.png")
    references = FolderReferences(folder)
    assert "1 files or folders" in caplog.text and "moving.gif" in caplog.text
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(UserError, match=r"2 of 5 reference images cannot be read: broken.png, scan.png"):
        references.check()
    with pytest.raises(UserError, match=r"scan.png cannot be read"):
        references.images(pd.DataFrame())[-1].load()


def test_a_damaged_cache_file_is_named_and_its_features_are_made_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = FeatureCache(tmp_path / "features")
    references = FolderReferences(_folder(tmp_path / "in")).images(pd.DataFrame())
    looked: list[int] = []

    def extract(pixels: Sequence[Pixels]) -> np.ndarray:
        looked.append(len(pixels))
        return np.full((len(pixels), 2), 0.5)

    expected = cache.features(references, "ab" * 32, extract)
    (file,) = (tmp_path / "features").rglob("*.npz")
    content = bytearray(file.read_bytes())
    content[content.index(np.float32(0.5).tobytes()) + 2] ^= 1
    file.write_bytes(content)
    assert np.array_equal(cache.features(references, "ab" * 32, extract), expected)
    assert looked == [3, 3]
    assert f"{file} was changed after it was written" in caplog.text


def test_a_cache_from_before_it_had_digests_is_used_and_gets_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cache = FeatureCache(tmp_path / "features")
    images = FolderReferences(_folder(tmp_path / "in")).images(pd.DataFrame())
    looked: list[int] = []

    def extract(pixels: Sequence[Pixels]) -> np.ndarray:
        looked.append(len(pixels))
        return np.full((len(pixels), 2), 0.5)

    expected = cache.features(images, "ab" * 32, extract)
    (file,) = (tmp_path / "features").rglob("*.npz")
    beside = file.with_name(f"{file.name}.sha256")
    beside.unlink()

    def read_only(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr("erasebench.judges.references.seal", read_only)
        assert np.array_equal(cache.features(images, "ab" * 32, extract), expected)
    assert not beside.exists()
    assert np.array_equal(cache.features(images, "ab" * 32, extract), expected)
    assert beside.exists() and looked == [3] and not caplog.text
    file.write_bytes(file.read_bytes()[:-40])
    beside.unlink()
    with monkeypatch.context() as patch:
        patch.setattr("erasebench.judges.references.set_aside", read_only)
        patch.setattr("erasebench.judges.references.sealed_write", read_only)
        assert np.array_equal(cache.features(images, "ab" * 32, extract), expected)
    assert "cannot be set aside (Permission denied)" in caplog.text and "cannot be stored" in caplog.text
    assert np.array_equal(cache.features(images, "ab" * 32, extract), expected)
    assert looked == [3, 3, 3] and f"it is set aside as {file.name}.damaged" in caplog.text
