"""Stage 0, data preparation: each concept sampled by the model itself, with masks of where it is (protocol)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from erasebench.api.concepts import Concept
from erasebench.api.method import Segmentation, Workspace
from erasebench.editing.templates import data_prompt
from erasebench.errors import UserError
from erasebench.files.sealed import read_sealed_json, sealed_write, whole, write_sealed_json
from erasebench.identity import digest
from erasebench.training.images import SampleSpec, generate, read_image
from erasebench.training.seeds import stream_seed

from .config import MaceConfig

Outcome = Literal["found", "whole-image", "dropped", "no-mask-needed"]
IMAGES = "training-images"
MASKS_FILE = "masks.json"


@dataclass(frozen=True)
class TrainingImages:
    """A concept's images that train, their masks [n, H, W], and what the detector said of every image sampled."""

    images: list[Image.Image]
    masks: NDArray[np.bool_]
    outcomes: list[Outcome]


def concept_folder(workspace: Workspace, stage: str, concept: Concept) -> Path:
    """Where a stage keeps what it made for a concept: <workspace>/<stage>/<digest of the concept>."""
    return workspace.folder / stage / digest(concept)[:16]


def prepare(concepts: Sequence[Concept], config: MaceConfig, workspace: Workspace) -> list[TrainingImages]:
    """Images and masks of every concept, sampled and segmented where the workspace's folder lacks them.

    A killed erasure finds all that was finished.
    """
    specs = [
        SampleSpec(
            data_prompt(concept.kind, concept.name),
            stream_seed(workspace, concept.name, f"training image {number}"),
            concept_folder(workspace, IMAGES, concept) / f"image-{number}.png",
        )
        for concept in concepts
        for number in range(config.n_images)
    ]
    images = generate(
        specs,
        workspace,
        "MACE",
        steps=config.data_steps,
        guidance=config.data_guidance,
        scheduler=config.data_scheduler,
    )
    prepared: list[TrainingImages] = []
    with workspace.progress(len(concepts), "MACE: masks") as progress:
        for number, concept in enumerate(concepts):
            own = images[number * config.n_images : (number + 1) * config.n_images]
            prepared.append(_segment(concept, own, config, workspace))
            progress(1)
    return prepared


def _segment(concept: Concept, images: list[Image.Image], config: MaceConfig, workspace: Workspace) -> TrainingImages:
    folder = concept_folder(workspace, IMAGES, concept)
    mask_files = [folder / f"mask-{number}.png" for number in range(config.n_images)]
    known = read_sealed_json(folder / MASKS_FILE)
    if known is None or not all(whole(file) for file in mask_files):
        known = {"concept": concept.name, "outcomes": _write_masks(concept, config, workspace, images, mask_files)}
        write_sealed_json(folder / MASKS_FILE, known)
    outcomes = known["outcomes"]
    used = [number for number, outcome in enumerate(outcomes) if outcome != "dropped"]
    if not used:
        raise UserError(
            f"'{concept.name}' was found on none of its {config.n_images} training images.",
            "Set mace.on_no_detection=whole-image, or look at the images in " + str(folder),
        )
    masks = np.stack([np.asarray(read_image(mask_files[number], "L")) >= 128 for number in used])
    return TrainingImages([images[number] for number in used], masks, outcomes)


def _write_masks(
    concept: Concept, config: MaceConfig, workspace: Workspace, images: list[Image.Image], files: list[Path]
) -> list[Outcome]:
    outcomes: list[Outcome] = []
    found = [None] * len(images) if concept.kind == "style" else workspace.segment(images, concept.name)
    for number, (image, segmentation, file) in enumerate(zip(images, found, files, strict=True)):
        mask = None if segmentation is None else combined_mask(segmentation, config)
        if mask is not None:
            outcomes.append("found")
        elif concept.kind == "style":
            outcomes.append("no-mask-needed")
        elif config.on_no_detection == "error":
            raise UserError(
                f"'{concept.name}' was not found on its training image {number}.",
                "Set mace.on_no_detection to whole-image or drop, or look at the image in " + str(file.parent),
            )
        else:
            outcomes.append("dropped" if config.on_no_detection == "drop" else "whole-image")
        whole = np.ones((image.height, image.width), dtype=bool)
        with sealed_write(file) as temporary:
            Image.fromarray(np.where(whole if mask is None else mask, 255, 0).astype(np.uint8)).save(temporary)
    return outcomes


def combined_mask(segmentation: Segmentation, config: MaceConfig) -> NDArray[np.bool_] | None:
    """One mask [H, W] from all boxes above the threshold, by the `boxes` rule; None where nothing was found."""
    kept = [i for i, box in enumerate(segmentation.boxes) if box.score >= config.detection_threshold]
    if config.boxes == "best" and kept:
        kept = [max(kept, key=lambda i: segmentation.boxes[i].score)]
    if not segmentation.masks[kept].any():
        return None
    mask: NDArray[np.bool_] = np.any(segmentation.masks[kept], axis=0)
    return _largest_contour(mask) if config.boxes == "best" else mask


def _largest_contour(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    # A filled contour: the largest connected piece, diagonal neighbours included, with its holes closed.
    pieces, count = ndimage.label(mask, structure=np.ones((3, 3)))
    sizes = ndimage.sum_labels(mask, pieces, range(1, count + 1))
    return np.asarray(ndimage.binary_fill_holes(pieces == 1 + int(np.argmax(sizes))), dtype=bool)
