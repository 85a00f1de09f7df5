from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from erasebench.api.judge import MISSING, SCORED
from erasebench.errors import UserError
from erasebench.identity import file_digest
from erasebench.judges import fid
from erasebench.judges.fid import NO_REFERENCE, FidJudge, InceptionExtractor, feature_matrix
from erasebench.judges.references import FeatureCache, PairedReferences, ReferenceImage
from erasebench.judges.sources import INCEPTION_FILE

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


def _references(n: int) -> PairedReferences:
    """An image for each of the prompts 'a', 'b', ..., seed 1."""
    images = _images(n)
    paired = {(chr(97 + at), 1): ReferenceImage(f"{at}", lambda at=at: images[at]) for at in range(n)}  # type: ignore[misc]
    return PairedReferences(paired, {"references": "made", "images": n})


def _rows(prompts: str) -> pd.DataFrame:
    return pd.DataFrame({"prompt": list(prompts), "seed": 1})


@pytest.fixture
def cache(tmp_path: Path) -> FeatureCache:
    return FeatureCache(tmp_path / "features")


def test_inception_sees_clean_fids_resize_and_normalisation(weights: Path) -> None:
    images = [np.full((8, 8, 3), (0, 128, 255), dtype=np.uint8)]
    features = InceptionExtractor(weights, CPU).features(images)
    assert features.shape == (1, 2048) and features.dtype == np.float32
    assert features[0, :3] == pytest.approx([-1, 0, 127 / 128], abs=1e-5)


def test_a_network_under_another_name_is_read(weights: Path) -> None:
    usual = InceptionExtractor(weights, CPU).features(_images(1))
    other = InceptionExtractor(weights.rename(weights.with_name("other.pt")), CPU)
    assert np.array_equal(other.features(_images(1)), usual)


def test_rows_hold_features_that_depend_neither_on_batch_size_nor_on_order(weights: Path) -> None:
    images, rows = _images(5), _rows("abcde")
    whole = FidJudge(InceptionExtractor(weights, CPU), _references(5)).judge(images, rows)
    small = FidJudge(InceptionExtractor(weights, CPU, batch_size=2), _references(5)).judge(images[::-1], rows[::-1])
    assert feature_matrix(whole) == pytest.approx(feature_matrix(small.loc[rows.index]), abs=1e-4)
    assert len({tuple(row) for row in feature_matrix(whole)}) == 5


def test_a_missing_image_has_no_features_and_is_named(weights: Path) -> None:
    images = [*_images(2), None]
    judged = FidJudge(InceptionExtractor(weights, CPU), _references(3)).judge(images, _rows("abc"))
    assert list(judged["outcome"]) == [SCORED, SCORED, MISSING]
    assert feature_matrix(judged).shape == (2, 2048)
    assert feature_matrix(judged[judged["outcome"] == MISSING]).shape == (0, 0)


def test_the_reference_decides_the_distance_and_not_the_rows(weights: Path) -> None:
    one, two = (FidJudge(InceptionExtractor(weights, CPU), _references(n)) for n in (2, 3))
    assert one.identity() == two.identity()
    assert one.reference_identity() != two.reference_identity()


def test_images_are_compared_with_the_reference_of_their_own_prompts(weights: Path, cache: FeatureCache) -> None:
    extractor = InceptionExtractor(weights, CPU)
    judge = FidJudge(extractor, _references(3), cache)
    compared = judge.reference_for(_rows("cax"))
    images = _images(3)
    assert compared.lacking == 1
    assert compared.features == pytest.approx(extractor.features([images[2], images[0]]), abs=1e-5)
    judged = judge.judge(images, _rows("cax"))
    assert list(judged["outcome"]) == [SCORED, SCORED, NO_REFERENCE]
    assert feature_matrix(judged).shape == (2, 2048)
    assert judge.reference_for(_rows("x")).features.shape[0] == 0


def test_a_reference_is_looked_at_once_and_again_by_another_extractor(weights: Path, cache: FeatureCache) -> None:
    seen: list[int] = []

    class Counting(InceptionExtractor):
        def features(self, images: Sequence[np.ndarray]) -> np.ndarray:
            seen.append(len(images))
            return super().features(images)

    first = FidJudge(Counting(weights, CPU), _references(4), cache).reference_for(_rows("abc"))
    again = FidJudge(Counting(weights, CPU), _references(4), cache).reference_for(_rows("dcba"))
    assert seen == [3, 1]
    assert np.array_equal(first.features, again.features[[3, 2, 1]])
    with weights.open("ab") as handle:
        handle.write(b" ")
    FidJudge(Counting(weights, CPU), _references(4), cache).reference_for(_rows("ab"))
    assert seen == [3, 1, 2]


def test_the_frechet_distance_of_the_features_is_clean_fids(weights: Path, cache: FeatureCache) -> None:
    from cleanfid.fid import frechet_distance as theirs

    from erasebench.judges.fid_metrics import Reference, distance_metrics

    judge = FidJudge(InceptionExtractor(weights, CPU), _references(20), cache)
    rows = _rows("abcdefghijklmnopqrst")
    generated = [np.rot90(image).copy() // 2 for image in _images(20)]
    judged = judge.judge(generated, rows)
    judged["features"] = [value[:8] for value in judged["features"]]
    reference = judge.reference_for(rows).features[:, :8]
    made = np.stack(list(judged["features"])).astype(np.float64)
    metrics = distance_metrics(rows.join(judged), Reference(reference, ""))
    assert set(metrics) == {"fid_20", "kid_20"}, "below 2,048 images the unbiased distance stands beside the biased one"
    sides = [(side.mean(axis=0), np.cov(side, rowvar=False)) for side in (made, reference.astype(np.float64))]
    expected = theirs(*sides[0], *sides[1])
    assert metrics["fid_20"].value == pytest.approx(expected, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("content", [None, b"no network"])
def test_weights_that_are_none_are_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / INCEPTION_FILE
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=INCEPTION_FILE) as error:
        InceptionExtractor(path, CPU)
    assert "inception-2015-12-05.pt" in error.value.hint and "https://" in error.value.hint


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
    with pytest.raises(UserError, match="is not the published file"):
        InceptionExtractor.fetched(folder, CPU)
    assert list(folder.iterdir()) == []
    monkeypatch.setattr(fid, "INCEPTION_SHA256", file_digest(weights))
    InceptionExtractor.fetched(folder, CPU)
    monkeypatch.setattr(fid, "check_download_inception", offline)
    assert InceptionExtractor.fetched(folder, CPU).identity()["extractor"] == "clean-fid inception"
