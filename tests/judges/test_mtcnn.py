"""The face detector on weights made for the purpose: what a face is says testing/standins/gcd.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from erasebench.errors import UserError
from erasebench.judges.gcd.mtcnn import FaceDetector, corrected, scales, squared, suppressed
from erasebench.judges.gcd.mtcnn_networks import OutputNetwork, ProposalNetwork, RefineNetwork, load_cascade
from erasebench.testing.standins.gcd import detectors, picture, write_detectors

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> FaceDetector:
    return FaceDetector(write_detectors(tmp_path_factory.mktemp("detectors")), CPU)


def _inside(face: np.ndarray, corner: tuple[int, int], side: int = 60) -> bool:
    """Whether the middle of a box lies on the line of a square where white meets black."""
    across, down = (face[:2] + face[2:4]) / 2 - corner
    return bool(0 <= across <= side and abs(down - side / 2) < side / 4)


def test_faces_are_found_where_they_are_and_nowhere_else(detector: FaceDetector) -> None:
    corners = [(20, 20), (150, 80)]
    faces = detector.faces(picture(*corners))
    found = [[_inside(face, corner) for corner in corners] for face in faces]
    assert np.any(found, axis=0).tolist() == [True, True]
    assert np.any(found, axis=1).all()
    assert (faces[:, 4] > 0.7).all() and (np.diff(faces[:, 4]) <= 0).all()
    one = detector.faces(picture((150, 80)))
    assert len(one) and all(_inside(face, corners[1]) for face in one)


@pytest.mark.parametrize(
    "image",
    [
        np.ascontiguousarray(picture((100, 40)).transpose(1, 0, 2)),
        picture((100, 40))[::-1].copy(),
        picture(),
        np.zeros((15, 200, 3), np.uint8),
        np.zeros((1, 1, 3), np.uint8),
    ],
    ids=["lying down", "upside down", "empty", "lower than a face", "one pixel"],
)
def test_what_is_no_face_is_not_found(detector: FaceDetector, image: np.ndarray) -> None:
    assert detector.faces(image).shape == (0, 5)


def test_a_face_cut_by_the_images_edge_is_still_searched_for(detector: FaceDetector) -> None:
    faces = detector.faces(picture((195, 40))[:, :240])
    assert all(np.isfinite(face).all() for face in faces)


def test_the_pyramid_begins_at_the_smallest_face_and_ends_at_the_image() -> None:
    found = scales(100, 300)
    assert found[0] == 12 / 20
    assert found[1] / found[0] == pytest.approx(0.709)
    assert found[-1] * 100 >= 12 > found[-1] * 0.709 * 100
    assert scales(19, 300) == []


def test_overlapping_boxes_leave_the_best_and_counting_includes_both_ends() -> None:
    boxes = np.array([[0, 0, 9, 9, 0.8], [0, 0, 9, 4, 0.9], [20, 20, 29, 29, 0.7]])
    assert suppressed(boxes, 0.5) == [1, 0, 2], "50 of 100 pixels is not more than half of the union"
    assert suppressed(boxes, 0.49) == [1, 2]
    assert suppressed(boxes, 0.99, of_smaller=True) == [1, 2], "the smaller one lies wholly inside"
    assert suppressed(np.zeros((0, 5)), 0.5) == []


def test_corrections_are_shares_of_the_sides() -> None:
    box = np.array([[10, 20, 30, 60, 0.9, 0.1, 0.2, -0.1, 0.5]])
    assert corrected(box).tolist() == [[12, 28, 28, 80, 0.9]]
    assert corrected(box, both_ends=True)[0, :4] == pytest.approx([12.1, 28.2, 27.9, 80.5])
    assert squared(np.array([[0.0, 0, 10, 30, 0.5]])).tolist() == [[-10, 0, 20, 30, 0.5]]


def _as_stored(layers: dict[str, dict[str, np.ndarray]], name: str, x: torch.Tensor) -> torch.Tensor:
    """A convolution as the stored weights are meant: over a picture [n, c, x, y], kernel [x, y, in, out]."""
    weights = torch.from_numpy(layers[name]["weights"]).permute(3, 2, 0, 1)
    return functional.conv2d(x, weights, torch.from_numpy(layers[name]["biases"]))


def _bent(layers: dict[str, dict[str, np.ndarray]], name: str, x: torch.Tensor) -> torch.Tensor:
    alpha = torch.from_numpy(layers[name]["alpha"]).reshape(1, -1, *[1] * (x.ndim - 2))
    return functional.relu(x) - alpha * functional.relu(-x)


def _full(layers: dict[str, dict[str, np.ndarray]], name: str, x: torch.Tensor) -> torch.Tensor:
    return x @ torch.from_numpy(layers[name]["weights"]) + torch.from_numpy(layers[name]["biases"])


def _pool(x: torch.Tensor, side: int, *, same: bool) -> torch.Tensor:
    """TensorFlow's pooling, stride 2: 'SAME' fills up at the far end, 'VALID' drops what is left over."""
    if same:
        more = max((-(-x.shape[2] // 2) - 1) * 2 + side - x.shape[2], 0)
        x = functional.pad(x, (0, more, 0, more), value=-torch.inf)
    return functional.max_pool2d(x, side, 2)


def test_the_networks_are_the_stored_ones_read_column_by_column(tmp_path: Path) -> None:
    generator = np.random.default_rng(2)
    stored = [
        {
            n: {p: generator.normal(0, 0.3, v.shape).astype(np.float32) for p, v in layer.items()}
            for n, layer in net.items()
        }
        for net in detectors()
    ]
    for number, layers in enumerate(stored, start=1):
        np.save(tmp_path / f"det{number}.npy", np.array(layers, dtype=object))
    cascade = load_cascade(tmp_path, CPU)
    for network, layers, side in zip(cascade, stored, (24, 24, 48), strict=True):
        image = torch.from_numpy(generator.normal(size=(2, 3, side, side)).astype(np.float32))
        x = image.transpose(2, 3)
        with torch.no_grad():
            answer = network(image)
        prelu = "PReLU" if isinstance(network, ProposalNetwork) else "prelu"
        x = _pool(_bent(layers, f"{prelu}1", _as_stored(layers, "conv1", x)), 2 if prelu == "PReLU" else 3, same=True)
        x = _bent(layers, f"{prelu}2", _as_stored(layers, "conv2", x))
        if isinstance(network, ProposalNetwork):
            x = _bent(layers, "PReLU3", _as_stored(layers, "conv3", x))
            face = _as_stored(layers, "conv4-1", x).softmax(1)[:, 1].transpose(1, 2)
            box = _as_stored(layers, "conv4-2", x).transpose(2, 3)
        else:
            x = _bent(layers, "prelu3", _as_stored(layers, "conv3", _pool(x, 3, same=False)))
            if isinstance(network, OutputNetwork):
                x = _bent(layers, "prelu4", _as_stored(layers, "conv4", _pool(x, 2, same=True)))
            first, head = ("conv4", "conv5") if isinstance(network, RefineNetwork) else ("conv5", "conv6")
            x = _bent(layers, f"prelu{first[-1]}", _full(layers, first, x.permute(0, 2, 3, 1).flatten(1)))
            face, box = _full(layers, f"{head}-1", x).softmax(1)[:, 1], _full(layers, f"{head}-2", x)
        torch.testing.assert_close(answer.face, face, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(answer.correction, box, atol=1e-4, rtol=1e-4)


def test_weights_that_do_not_fit_are_named(tmp_path: Path) -> None:
    folder = write_detectors(tmp_path)
    proposal, refine, _ = detectors()
    np.save(folder / "det2.npy", np.array(proposal, dtype=object))
    with pytest.raises(UserError, match=r"det2\.npy does not fit its network"):
        load_cascade(folder, CPU)
    refine["conv4"]["weights"] = np.zeros((5, 128), np.float32)
    np.save(folder / "det2.npy", np.array(refine, dtype=object))
    with pytest.raises(UserError, match=r"det2\.npy does not fit its network"):
        load_cascade(folder, CPU)
