"""A resources folder in the celebrity detector's format: detectors that know one pattern, a random recogniser.

What they take for a face is a square whose upper half is white and whose lower half is black, on grey. With a lower
threshold, any place that is brighter above than below.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

from erasebench.files.atomic import atomic_folder
from erasebench.files.stand_ins import MARK
from erasebench.judges.gcd.network import CENTRES, EMBEDDING, FaceNetwork
from erasebench.judges.sources import GCD_LABELS, GCD_STATE
from erasebench.testing.standins.thin import thin_state

LABELS = (
    *("Zoe_Saldana_[m.03w4sh]", "50_Cent_[m.01vvyc_]", "Beyonce_[m.01mpq7s]", "Adam_Driver_[m.0hcgs_k]"),
    *("Melania_Trump_[m.05v_h4]", "Andrew_Mccarthy_[m.01rcg5]"),
)
NAMES = tuple(sorted(label.rpartition("_[")[0].replace("_", " ") for label in LABELS))
THRESHOLD, STEEP = 1.2, 10.0
EASY = 0.1
"""Finds one to three faces on an image of the stand-in model."""
Layer = dict[str, np.ndarray]


def conv(wide_in: int, wide_out: int, kernel: np.ndarray) -> Layer:
    """The kernel [y, x] from the mean of the first layer's channels, or from channel 0, to channel 0."""
    weights = np.zeros((*kernel.T.shape, wide_in, wide_out), dtype=np.float32)
    weights[:, :, : (3 if wide_in == 3 else 1), 0] = kernel.T[:, :, None] / (3 if wide_in == 3 else 1)
    return {"weights": weights, "biases": np.zeros(wide_out, dtype=np.float32)}


def linear(channels: int) -> Layer:
    return {"alpha": np.ones(channels, dtype=np.float32)}


def centre(side: int) -> np.ndarray:
    kernel = np.zeros((side, side), dtype=np.float32)
    kernel[side // 2 - (side == 2), side // 2 - (side == 2)] = 1
    return kernel


UPPER_MINUS_LOWER = np.array([[1, 1, 1], [0, 0, 0], [-1, -1, -1]], dtype=np.float32) / 3


def verdict(rows: int, threshold: float) -> Layer:
    """Logits: a face where the first feature is above the threshold."""
    weights = np.zeros((rows, 2), dtype=np.float32)
    weights[0] = (-STEEP, STEEP)
    return {"weights": weights, "biases": np.array([STEEP, -STEEP], dtype=np.float32) * threshold}


def at_rest(rows: int, outputs: int = 4) -> Layer:
    return {"weights": np.zeros((rows, outputs), dtype=np.float32), "biases": np.zeros(outputs, dtype=np.float32)}


def dense(channels: int, outputs: int) -> Layer:
    """From a map of 3 x 3, flattened column by column, its upper row minus its lower row."""
    weights = np.zeros((3, 3, channels, outputs), dtype=np.float32)
    weights[:, :, 0, 0] = UPPER_MINUS_LOWER.T
    return {"weights": weights.reshape(-1, outputs), "biases": np.zeros(outputs, dtype=np.float32)}


def as_convolution(layer: Layer) -> Layer:
    return {"weights": layer["weights"][None, None], "biases": layer["biases"]}


def detectors(threshold: float = THRESHOLD) -> tuple[dict[str, Layer], dict[str, Layer], dict[str, Layer]]:
    """The layers of the three networks of the cascade."""
    proposal = {
        **{"conv1": conv(3, 10, centre(3)), "PReLU1": linear(10), "conv2": conv(10, 16, centre(3))},
        **{"PReLU2": linear(16), "conv3": conv(16, 32, UPPER_MINUS_LOWER), "PReLU3": linear(32)},
        **{"conv4-1": as_convolution(verdict(32, threshold)), "conv4-2": as_convolution(at_rest(32))},
    }
    refine = {
        **{"conv1": conv(3, 28, centre(3)), "prelu1": linear(28), "conv2": conv(28, 48, centre(3))},
        **{"prelu2": linear(48), "conv3": conv(48, 64, centre(2)), "prelu3": linear(64)},
        **{"conv4": dense(64, 128), "prelu4": linear(128), "conv5-1": verdict(128, threshold), "conv5-2": at_rest(128)},
    }
    output = {
        **{"conv1": conv(3, 32, centre(3)), "prelu1": linear(32), "conv2": conv(32, 64, centre(3))},
        **{"prelu2": linear(64), "conv3": conv(64, 64, centre(3)), "prelu3": linear(64)},
        **{"conv4": conv(64, 128, centre(2)), "prelu4": linear(128), "conv5": dense(128, 256)},
        **{
            "prelu5": linear(256),
            "conv6-1": verdict(256, threshold),
            "conv6-2": at_rest(256),
            "conv6-3": at_rest(256, 10),
        },
    }
    return proposal, refine, output


def write_detectors(folder: Path, threshold: float = THRESHOLD) -> Path:
    """det1.npy to det3.npy in `folder`."""
    with atomic_folder(folder) as temporary:
        for number, layers in enumerate(detectors(threshold), start=1):
            np.save(temporary / f"det{number}.npy", np.array(layers, dtype=object))
    return folder


def labels_of(names: Iterable[str]) -> tuple[str, ...]:
    """Labels as the detector has them, with made-up ids: 'Adam_Driver_[m.0]'."""
    return tuple(f"{name.replace(' ', '_')}_[m.{at}]" for at, name in enumerate(names))


def write_resources(folder: Path, labels: tuple[str, ...] = LABELS, threshold: float = THRESHOLD) -> Path:
    """The whole folder; the recogniser's weights are random, in torch 0.4's format, without its later counters."""
    with atomic_folder(folder) as temporary:
        write_detectors(temporary / "face_detection", threshold)
        (temporary / "face_recognition").mkdir()
        lines = [f"Labels,Index,{MARK}", *(f"{label},{at}" for at, label in enumerate(labels))]
        (temporary / GCD_LABELS).write_text("\n".join(lines) + "\n", encoding="utf-8")
        content = {"made": MARK, "epoch": 30, "model_state": _recogniser(len(labels))}
        torch.save(content, temporary / GCD_STATE, _use_new_zipfile_serialization=False)
    return folder


def _recogniser(names: int) -> dict[str, torch.Tensor]:
    with torch.device("meta"):
        shapes = FaceNetwork(names).state_dict()
    state = thin_state({**shapes, CENTRES: torch.empty(names, EMBEDDING, device="meta")}, seed=4)
    own = {f"model.{name}": value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    own[CENTRES] = own.pop(f"model.{CENTRES}")
    return own


def picture(*corners: tuple[int, int], side: int = 60, size: tuple[int, int] = (160, 240)) -> np.ndarray:
    """Grey, uint8 [160, 240, 3], with a 'face' whose upper left corner is at each (x, y)."""
    image = np.full((*size, 3), 128, dtype=np.uint8)
    for x, y in corners:
        image[y : y + side // 2, x : x + side] = 255
        image[y + side // 2 : y + side, x : x + side] = 0
    return image
