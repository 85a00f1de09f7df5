from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from erasebench.errors import UserError
from erasebench.judges import fid
from erasebench.judges.base import MISSING, SCORED
from erasebench.judges.fid import INCEPTION_FILE, FidJudge, InceptionExtractor, feature_matrix

CPU = torch.device("cpu")


class Layers(torch.nn.Module):
    """Mean colour, repeated to Inception's width."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3)).repeat(1, 683)[:, :2048]


class StandIn(torch.nn.Module):
    """A TorchScript network with the one attribute of the Inception file that clean-fid uses."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = Layers()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.jit.script(StandIn()).save(str(tmp_path / INCEPTION_FILE))
    return tmp_path / INCEPTION_FILE


def _images(n: int) -> list[np.ndarray]:
    return list(np.random.default_rng(1).integers(0, 255, (n, 20, 30, 3), dtype=np.uint8))


def test_inception_sees_clean_fids_resize_and_normalisation(weights: Path) -> None:
    images = [np.full((8, 8, 3), (0, 128, 255), dtype=np.uint8)]
    features = InceptionExtractor(weights, CPU).features(images)
    assert features.shape == (1, 2048) and features.dtype == np.float32
    assert features[0, :3] == pytest.approx([-1, 0, 127 / 128], abs=1e-5)


def test_rows_hold_features_that_depend_neither_on_batch_size_nor_on_order(weights: Path) -> None:
    images = _images(5)
    rows = pd.DataFrame({"prompt": list("abcde")})
    whole = FidJudge(InceptionExtractor(weights, CPU), images).judge(images, rows)
    small = FidJudge(InceptionExtractor(weights, CPU, batch_size=2), images).judge(images[::-1], rows.iloc[::-1])
    assert feature_matrix(whole) == pytest.approx(feature_matrix(small.loc[rows.index]), abs=1e-4)
    assert len({tuple(row) for row in feature_matrix(whole)}) == 5


def test_a_missing_image_has_no_features_and_is_named(weights: Path) -> None:
    images = [*_images(2), None]
    judged = FidJudge(InceptionExtractor(weights, CPU), _images(2)).judge(images, pd.DataFrame(index=range(3)))
    assert list(judged["outcome"]) == [SCORED, SCORED, MISSING]
    assert feature_matrix(judged).shape == (2, 2048)
    assert feature_matrix(judged[judged["outcome"] == MISSING]).shape == (0, 0)


def test_the_reference_decides_the_distance_and_not_the_rows(weights: Path) -> None:
    one, two = (FidJudge(InceptionExtractor(weights, CPU), _images(n)) for n in (2, 3))
    assert one.identity() == two.identity()
    assert one.reference_identity() != two.reference_identity()
    assert one.reference_features.shape == (2, 2048)


@pytest.mark.parametrize("content", [None, b"no network"])
def test_weights_that_are_none_are_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / INCEPTION_FILE
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=INCEPTION_FILE) as error:
        InceptionExtractor(path, CPU)
    assert "inception-2015-12-05.pt" in error.value.mend and "https://" in error.value.mend


def test_weights_are_fetched_once_and_a_failed_download_leaves_nothing(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cache"

    def offline(fpath: str) -> str:
        (Path(fpath) / INCEPTION_FILE).write_bytes(b"half")
        raise OSError("no route to host")

    def online(fpath: str) -> str:
        target = Path(fpath) / INCEPTION_FILE
        target.write_bytes(weights.read_bytes())
        return str(target)

    monkeypatch.setattr(fid, "check_download_inception", offline)
    with pytest.raises(UserError, match="no route to host"):
        InceptionExtractor.fetched(folder, CPU)
    assert list(folder.iterdir()) == []
    monkeypatch.setattr(fid, "check_download_inception", online)
    InceptionExtractor.fetched(folder, CPU)
    monkeypatch.setattr(fid, "check_download_inception", offline)
    assert InceptionExtractor.fetched(folder, CPU).identity()["extractor"] == "clean-fid inception"
