"""The stand-in's detector: what it is taught, how it is exported, and what the shipped one finds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from erasebench.judges.nudenet import NudenetJudge
from erasebench.judges.nudenet_classes import CLASSES, REGIONS
from erasebench.worlds.miniature import painter
from erasebench.worlds.miniature.judges.detector import CLASS_OF, FILE, RESOLUTION, DetectorNetwork, NudenetLayout
from erasebench.worlds.miniature.lab.detector_quality import held_out, quality, through_autoencoder
from erasebench.worlds.miniature.lab.train.detector import badge_boxes, export, moved, targets
from erasebench.worlds.miniature.painter.mannequin import REGIONS as BADGES
from erasebench.worlds.miniature.world import WEIGHTS, MiniatureWorld

onnxruntime = pytest.importorskip("onnxruntime", exc_type=ImportError)


@pytest.fixture(scope="module")
def judge() -> NudenetJudge:
    return NudenetJudge(WEIGHTS / "judges" / FILE, resolution=RESOLUTION)


@pytest.fixture(scope="module")
def pictures() -> list[painter.Picture]:
    return held_out(120)


def test_every_badge_stands_for_a_class_of_the_published_tables() -> None:
    assert tuple(CLASS_OF) == BADGES
    assert set(CLASS_OF.values()) == set(REGIONS)


def test_the_shipped_detector_finds_held_out_badges_and_nothing_else(
    judge: NudenetJudge, pictures: list[painter.Picture]
) -> None:
    found = quality(judge.detections([p.image for p in pictures]), [p.labels for p in pictures])
    assert found.badges > 150
    assert found.precision >= 0.97 and found.recall >= 0.97


def test_the_autoencoders_blur_hides_no_badge(judge: NudenetJudge, pictures: list[painter.Picture]) -> None:
    seen = through_autoencoder(MiniatureWorld())(np.stack([p.image for p in pictures]))
    found = quality(judge.detections(list(seen)), [p.labels for p in pictures])
    assert found.precision >= 0.97 and found.recall >= 0.97


def test_the_world_counts_badges_by_region() -> None:
    picture = painter.paint_mannequin(False, np.random.default_rng(4))
    judged = MiniatureWorld().judge("nudenet").judge([picture.image], pd.DataFrame({"prompt": ["nudity"]})).iloc[0]
    assert judged["total"] == len(picture.labels.regions)
    assert {name for name in REGIONS if judged[name]} == {CLASS_OF[region] for region in picture.labels.regions}


def test_it_is_small() -> None:
    assert (WEIGHTS / "judges" / FILE).stat().st_size < 600_000


def test_the_exported_network_is_the_trained_one_in_nudenets_layout(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = DetectorNetwork()
    export(network, tmp_path / FILE)
    session = onnxruntime.InferenceSession(tmp_path / FILE)
    generator = np.random.default_rng(0)
    for shape in ((1, 3, 64, 64), (3, 3, 64, 64), (2, 3, 128, 96)):
        blob = generator.random(shape, dtype=np.float32)
        (answer,) = session.run(None, {"images": blob})
        with torch.no_grad():
            logits, boxes = network(torch.from_numpy(blob[:, ::-1].copy()) * 2 - 1)
        assert answer.shape == (shape[0], 4 + len(CLASSES), shape[2] * shape[3] // 16)
        assert answer[:, :4] == pytest.approx(boxes.flatten(2).numpy(), abs=0.05)
        for at, name in enumerate(CLASSES):
            own = list(CLASS_OF.values()).index(name) if name in CLASS_OF.values() else None
            expected = 0.0 if own is None else logits[:, own].sigmoid().flatten(1).numpy()
            assert answer[:, 4 + at] == pytest.approx(expected, abs=2e-3)


def test_weights_are_kept_in_half_precision_and_no_path_is_written(tmp_path: Path) -> None:
    export(DetectorNetwork(), tmp_path / FILE)
    parameters = sum(value.numel() for value in DetectorNetwork().parameters())
    content = (tmp_path / FILE).read_bytes()
    assert len(content) < 2 * parameters + 20_000
    assert str(Path(__file__).parent.parent.parent).encode() not in content


def test_boxes_move_with_their_picture() -> None:
    picture = painter.paint_mannequin(False, np.random.default_rng(8))
    boxes = badge_boxes([picture.labels])
    image = torch.zeros(1, 3, 64, 64)
    region = next(iter(picture.labels.regions))
    x, y = (int(value) for value in boxes[0, BADGES.index(region), :2])
    image[:, :, y, x] = 1
    for seed in range(6):
        shifted, where = moved(image, boxes, torch.Generator().manual_seed(seed))
        across, down = where[0, BADGES.index(region), :2]
        lit = (shifted[0, 0] == 1).nonzero().float() + 0.5
        assert (lit - torch.stack([down, across])).abs().max(1).values.min() <= 1.0
    assert torch.isnan(boxes[0]).any(1).tolist() == [name not in picture.labels.regions for name in BADGES]


def test_a_cell_answers_for_the_badge_that_is_near_it() -> None:
    boxes = torch.full((1, 8, 4), float("nan"))
    boxes[0, 2] = torch.tensor([10.0, 22.0, 8.0, 8.0])
    wanted, box, there = targets(boxes)
    assert wanted.shape == (1, 8, 16, 16) and box.shape == (1, 4, 16, 16)
    assert wanted[0, 2, 5, 2] == 1 and there[0, 5, 2] == 1
    assert wanted[0, [0, 1, 3, 4, 5, 6, 7]].sum() == 0
    assert 1 <= there.sum() <= 4
    assert box[0, :, 5, 2].tolist() == [10, 22, 8, 8]
    assert not torch.isnan(box).any()


def test_a_mannequin_without_badges_asks_for_nothing() -> None:
    labels = [painter.paint_mannequin(True, np.random.default_rng(1)).labels]
    wanted, _, there = targets(badge_boxes(labels))
    assert wanted.sum() == 0 and there.sum() == 0


def test_network_and_layout_take_any_size() -> None:
    answer = NudenetLayout(DetectorNetwork())(torch.zeros(1, 3, 32, 48))
    assert answer.shape == (1, 22, 8 * 12)
