"""Trains the stand-in's detector on the painter's exact badge boxes, and exports it for the nudenet library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from erasebench.files.atomic import atomic_write
from erasebench.worlds.miniature import painter
from erasebench.worlds.miniature.judges.detector import (
    CLASS_OF,
    FILE,
    RESOLUTION,
    STRIDE,
    DetectorNetwork,
    NudenetLayout,
)
from erasebench.worlds.miniature.judges.networks import channels_last, normalised
from erasebench.worlds.miniature.lab.train.augment import degrade
from erasebench.worlds.miniature.lab.train.loop import fit, step_generator
from erasebench.worlds.miniature.lab.train.pictures import Reconstruct, draw, mixture, paint_pictures

STEPS = 1_500
BATCH = 64
SEED = 505
PICTURES = 8_000
OPSET = 17
_NEAR = 3.0
"""Pixels: a cell this near to a badge's centre answers for it; of several the suppression keeps the best."""

_PAINT = mixture(
    {
        lambda rng: painter.paint_mannequin(False, rng): 0.5,
        lambda rng: painter.paint_mannequin(True, rng): 0.14,
        lambda rng: painter.paint_person(None, None, rng): 0.1,
        lambda rng: painter.paint_object(None, rng): 0.08,
        lambda rng: painter.paint_general(rng): 0.1,
        lambda rng: painter.paint_style(None, rng): 0.08,
    }
)


def train(
    out: Path,
    device: torch.device,
    steps: int | None = None,
    *,
    pictures: int = PICTURES,
    reconstruct: Reconstruct | None = None,
) -> None:
    """Write `out`/detector.onnx. `reconstruct` is the trained autoencoder's way there and back, if any."""
    data = paint_pictures(pictures, SEED, _PAINT, reconstruct=reconstruct)
    images, boxes = torch.from_numpy(data.images), badge_boxes(data.labels)

    def loss(model: nn.Module, step: int) -> tuple[Tensor, dict[str, float]]:
        generator = step_generator(SEED, step)
        chosen = draw(len(images), BATCH, generator)
        x, truth = moved(normalised(images[chosen]), boxes[chosen], generator)
        logits, proposed = model(degrade(x, generator).to(device))
        wanted, box, there = (part.to(device) for part in targets(truth))
        found = functional.binary_cross_entropy_with_logits(logits.float(), wanted, reduction="sum")
        error = functional.smooth_l1_loss(proposed.float(), box, reduction="none").sum(1)
        placed = (error * there).sum()
        answers = wanted.sum().clamp(min=1)
        return (found + 0.5 * placed) / answers, {
            "found": float(found.detach() / answers),
            "placed": float(placed.detach() / answers),
        }

    torch.manual_seed(SEED)
    network = fit(
        "detector", channels_last(DetectorNetwork()), loss, steps=steps or STEPS, lr=3e-3, out=out, device=device
    )
    export(network, out / FILE)


def badge_boxes(labels: list[painter.Labels]) -> Tensor:
    """float32 [n, 8, 4]: centre x, centre y, width, height of every badge in CLASS_OF's order; NaN where it is not."""
    boxes = torch.full((len(labels), len(CLASS_OF), 4), float("nan"))
    for at, label in enumerate(labels):
        for kind, region in enumerate(CLASS_OF):
            if region in label.regions:
                x0, y0, x1, y1 = label.regions[region]
                boxes[at, kind] = torch.tensor([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0])
    return boxes


def moved(x: Tensor, boxes: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Pictures mirrored half of the time and moved by up to five pixels each way, and their boxes with them."""
    flip = bool(torch.rand((), generator=generator) < 0.5)
    across, down = (int(value) for value in torch.randint(-5, 6, (2,), generator=generator))
    boxes = boxes.clone()
    if flip:
        x = x.flip(3)
        boxes[..., 0] = x.shape[3] - boxes[..., 0]
    padded = functional.pad(x, (5, 5, 5, 5), mode="reflect")
    x = padded[:, :, 5 - down : 5 - down + x.shape[2], 5 - across : 5 - across + x.shape[3]]
    boxes[..., 0] += across
    boxes[..., 1] += down
    return x, boxes


def targets(boxes: Tensor, cells: int = RESOLUTION // STRIDE) -> tuple[Tensor, Tensor, Tensor]:
    """Of badge boxes [n, 8, 4]: which cell answers for which class [n, 8, h, w], its box [n, 4, h, w], where [n, h, w].

    A cell between two badges answers for the nearer one.
    """
    middle = (torch.arange(cells) + 0.5) * STRIDE
    dx = boxes[:, :, 0, None, None] - middle[None, None, None, :]
    dy = boxes[:, :, 1, None, None] - middle[None, None, :, None]
    distance = torch.nan_to_num((dx.square() + dy.square()).sqrt(), nan=float("inf"))
    nearest, kind = distance.min(dim=1)
    there = nearest <= _NEAR
    wanted = functional.one_hot(kind, len(CLASS_OF)).permute(0, 3, 1, 2).float() * there[:, None]
    box = boxes.nan_to_num(0.0).gather(1, kind.flatten(1)[..., None].expand(-1, -1, 4))
    return wanted, box.permute(0, 2, 1).reshape(len(boxes), 4, cells, cells), there.float()


def export(network: nn.Module, path: Path) -> None:
    """Write the network as ONNX for any number and size of pictures: weights kept in float16, arithmetic in float32."""
    import onnx

    layout = NudenetLayout(network.float().cpu()).eval()
    example = torch.zeros(2, 3, RESOLUTION, RESOLUTION)
    axes = {"images": {0: "batch", 2: "height", 3: "width"}, "output0": {0: "batch", 2: "cells"}}
    with atomic_write(path) as temporary:
        torch.onnx.export(
            layout,
            (example,),
            str(temporary),
            input_names=["images"],
            output_names=["output0"],
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )
        stored = onnx.load(temporary)
        keep_in_half(stored.graph)
        onnx.checker.check_model(stored)
        onnx.save(stored, temporary)


def keep_in_half(graph: Any) -> None:
    """Replace every float32 weight of an ONNX graph by its float16 and a cast back: half the size, the same network."""
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for tensor in [t for t in graph.initializer if t.data_type == TensorProto.FLOAT]:
        name, value = tensor.name, numpy_helper.to_array(tensor)
        tensor.CopyFrom(numpy_helper.from_array(value.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    for at, concept_lists in enumerate(casts):
        graph.node.insert(at, concept_lists)
