"""MTCNN's cascade: where the faces of an image are.

The settings are those of the celebrity detector: thresholds 0.6, 0.7, 0.7, scale factor 0.709, faces from 20 pixels.
"""

from __future__ import annotations

from itertools import count, takewhile
from pathlib import Path

import cv2
import numpy as np
import torch

from erasebench.api.judge import Pixels
from erasebench.judges.gcd.mtcnn_networks import Answer, OutputNetwork, RefineNetwork, load_cascade

THRESHOLDS = (0.6, 0.7, 0.7)
FACTOR = 0.709
SMALLEST_FACE = 20
WINDOW, STEP = 12, 2
"""Side of the first network's window and the distance between two of them, in pixels of the scaled image."""
_CROPS_AT_ONCE = 256


class FaceDetector:
    """Finds faces with the three networks of a folder."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        """Reads `folder`/det1.npy to det3.npy; UserError as `load_cascade`."""
        self.device = device
        self.cascade = load_cascade(folder, device)

    @torch.no_grad()
    def faces(self, image: Pixels) -> np.ndarray:
        """float64 [n, 5]: x0, y0, x1, y1 in pixels (they may reach beyond the image) and score, best first."""
        boxes = self._proposals(image)
        boxes = self._refined(image, boxes, self.cascade.refine, THRESHOLDS[1])
        boxes = boxes[suppressed(boxes, 0.7)]
        boxes = squared(corrected(boxes, both_ends=True))
        boxes = self._refined(image, boxes, self.cascade.output, THRESHOLDS[2])
        boxes = corrected(boxes, both_ends=True)
        return boxes[suppressed(boxes, 0.7, of_smaller=True), :5]

    def _proposals(self, image: Pixels) -> np.ndarray:
        """Boxes [n, 5] of the first network over the pyramid of scales, corrected and squared."""
        found = [np.zeros((0, 9))]
        for scale in scales(*image.shape[:2]):
            height, width = (int(np.ceil(side * scale)) for side in image.shape[:2])
            small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
            answer = self.cascade.proposal(self._batch([small]))
            boxes = _windows(answer, scale)
            found.append(boxes[suppressed(boxes, 0.5)])
        boxes = np.concatenate(found)
        return squared(corrected(boxes[suppressed(boxes, 0.7)]))

    def _refined(
        self, image: Pixels, boxes: np.ndarray, network: RefineNetwork | OutputNetwork, threshold: float
    ) -> np.ndarray:
        """Those boxes [n, 9] in which the network sees a face, cut to whole pixels, with its score and correction."""
        boxes = np.fix(boxes[:, :4])
        boxes = boxes[(boxes[:, 2:] >= boxes[:, :2]).all(axis=1)]
        kept = [np.zeros((0, 9))]
        for start in range(0, len(boxes), _CROPS_AT_ONCE):
            some = boxes[start : start + _CROPS_AT_ONCE]
            crops = [cv2.resize(_crop(image, box), (network.side,) * 2, interpolation=cv2.INTER_AREA) for box in some]
            answer = network(self._batch(crops))
            face, correction = answer.face.double().cpu().numpy(), answer.correction.double().cpu().numpy()
            whole = np.hstack([some, face[:, None], correction])
            kept.append(whole[face > threshold])
        return np.concatenate(kept)

    def _batch(self, images: list[np.ndarray]) -> torch.Tensor:
        stacked = np.stack(images).astype(np.float32)
        return torch.from_numpy((stacked - 127.5) / 128).permute(0, 3, 1, 2).to(self.device)


def scales(height: int, width: int) -> list[float]:
    """The pyramid: the smallest face fills a window at the first scale, the image's shorter side at the last."""
    first = WINDOW / SMALLEST_FACE
    return list(
        takewhile(lambda scale: min(height, width) * scale >= WINDOW, (first * FACTOR**step for step in count()))
    )


def _windows(answer: Answer, scale: float) -> np.ndarray:
    """Boxes [n, 9] of the windows of one scale in which a face was seen, in pixels of the whole image."""
    face = answer.face[0].double().cpu().numpy()
    correction = answer.correction[0].double().cpu().numpy()
    ys, xs = np.nonzero(face >= THRESHOLDS[0])
    corner = np.stack([xs, ys], axis=1) * STEP
    low, high = np.fix((corner + 1) / scale), np.fix((corner + WINDOW) / scale)
    return np.hstack([low, high, face[ys, xs, None], correction[:, ys, xs].T])


def corrected(boxes: np.ndarray, *, both_ends: bool = False) -> np.ndarray:
    """Boxes [n, 9] moved by their correction, in shares of their sides: [n, 5].

    Boxes of whole pixels count their last pixel too (`both_ends`), those of the first network do not.
    """
    size = boxes[:, 2:4] - boxes[:, :2] + both_ends
    return np.hstack([boxes[:, :4] + boxes[:, 5:9] * np.hstack([size, size]), boxes[:, 4:5]])


def squared(boxes: np.ndarray) -> np.ndarray:
    """Boxes [n, 5] made as wide as high around their middle, by their longer side."""
    size = boxes[:, 2:4] - boxes[:, :2]
    side = size.max(axis=1, keepdims=True, initial=0.0)
    low = boxes[:, :2] + (size - side) / 2
    return np.hstack([low, low + side, boxes[:, 4:5]])


def suppressed(boxes: np.ndarray, overlap: float, *, of_smaller: bool = False) -> list[int]:
    """Which boxes are left, best first, once every box that overlaps a better one by more than `overlap` is gone.

    The overlap is a share of the union, or `of_smaller` of the two boxes. Pixels are counted as the original does,
    both ends included.
    """
    low, high, score = boxes[:, :2], boxes[:, 2:4], boxes[:, 4]
    area = np.prod(high - low + 1, axis=1)
    order, kept = np.argsort(-score, kind="stable"), []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(int(best))
        sides = np.minimum(high[best], high[rest]) - np.maximum(low[best], low[rest]) + 1
        common = np.prod(np.maximum(sides, 0), axis=1)
        whole = np.minimum(area[best], area[rest]) if of_smaller else area[best] + area[rest] - common
        order = rest[common / whole <= overlap]
    return kept


def _crop(image: Pixels, box: np.ndarray) -> np.ndarray:
    """The box's pixels, counted from one with both ends included; black beyond the image's edge."""
    width, height = (box[2:4] - box[:2] + 1).astype(int)
    crop = np.zeros((height, width, 3), dtype=np.float64)
    x0, y0 = int(box[0]) - 1, int(box[1]) - 1
    left, top = max(x0, 0), max(y0, 0)
    right, bottom = min(x0 + width, image.shape[1]), min(y0 + height, image.shape[0])
    if right > left and bottom > top:
        crop[top - y0 : bottom - y0, left - x0 : right - x0] = image[top:bottom, left:right]
    return crop
