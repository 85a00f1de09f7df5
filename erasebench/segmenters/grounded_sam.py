"""Open-vocabulary detection by Grounding DINO, then one mask for each box by SAM or SAM-HQ, both in transformers.

Liu et al., Grounding DINO (arXiv 2303.05499); Kirillov et al., Segment Anything (arXiv 2304.02643); Ke et al., Segment
Anything in High Quality (arXiv 2306.01567).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image
from transformers import (
    GroundingDinoForObjectDetection,
    GroundingDinoProcessor,
    SamHQModel,
    SamHQProcessor,
    SamModel,
    SamProcessor,
)

from erasebench.api.method import Box, Segmentation
from erasebench.errors import UserError, did_you_mean
from erasebench.families.loading import load_strictly, quiet

from .weights import CONFIG_FILE, THRESHOLD, grounded_sam_digest

DETECTORS = {"grounding-dino": (GroundingDinoForObjectDetection, GroundingDinoProcessor)}
MASKERS = {"sam": (SamModel, SamProcessor), "sam_hq": (SamHQModel, SamHQProcessor)}


class GroundedSam:
    """Finds a phrase on photographs, one image at a time, so that no image's masks depend on another's."""

    def __init__(self, detector: Path, masker: Path, device: torch.device) -> None:
        """Two folders in transformers' format. UserError for one that is not, or whose weights do not fit it."""
        self.folders = detector, masker
        self.device = device
        self._detector, self._read_phrase = _loaded(detector, DETECTORS, device)
        self._masker, self._read_boxes = _loaded(masker, MASKERS, device)

    @property
    def digest(self) -> str:
        return grounded_sam_digest(*self.folders)

    def segment(self, images: Sequence[Image], phrase: str) -> list[Segmentation]:
        """Boxes best first, in pixels and inside the image; masks of the image's size. Nothing found is empty."""
        return [self._of(image.convert("RGB"), phrase) for image in images]

    @torch.no_grad()
    def _of(self, image: Image, phrase: str) -> Segmentation:
        boxes = self._boxes(image, phrase)
        if not boxes:
            return Segmentation([], np.zeros((0, image.height, image.width), dtype=bool))
        return Segmentation(boxes, self._masks(image, boxes))

    def _boxes(self, image: Image, phrase: str) -> list[Box]:
        inputs = self._read_phrase(images=image, text=detection_text(phrase), return_tensors="pt").to(self.device)
        (found,) = self._read_phrase.post_process_grounded_object_detection(
            self._detector(**inputs),
            inputs["input_ids"],
            threshold=THRESHOLD,
            target_sizes=[(image.height, image.width)],
        )
        limits = torch.tensor([image.width, image.height] * 2)
        corners = found["boxes"].float().cpu().clamp(min=0).minimum(limits).tolist()
        boxes = [
            Box(x0, y0, x1, y1, score)
            for (x0, y0, x1, y1), score in zip(corners, found["scores"].tolist(), strict=True)
        ]
        return sorted(boxes, key=lambda box: -box.score)

    def _masks(self, image: Image, boxes: list[Box]) -> NDArray[np.bool_]:
        corners = [[[box.x0, box.y0, box.x1, box.y1] for box in boxes]]
        inputs = self._read_boxes(images=image, input_boxes=corners, return_tensors="pt")
        output = self._masker(
            pixel_values=inputs["pixel_values"].to(self.device),
            input_boxes=inputs["input_boxes"].to(self.device, torch.float32),
            multimask_output=False,
        )
        (masks,) = self._read_boxes.image_processor.post_process_masks(
            output.pred_masks.float().cpu(), inputs["original_sizes"], inputs["reshaped_input_sizes"]
        )
        return np.asarray(masks[:, 0].numpy(), dtype=bool)


def detection_text(phrase: str) -> str:
    """The phrase as Grounding DINO was trained to read it: lower case, ended by the dot that parts two phrases."""
    return " ".join(phrase.lower().replace(".", " ").split()) + "."


def _loaded(folder: Path, kinds: dict[str, tuple[Any, Any]], device: torch.device) -> tuple[Any, Any]:
    hint = "Give a folder as transformers saves it, or remove this one and download it again."
    try:
        model_type = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8")).get("model_type", "")
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(f"{folder / CONFIG_FILE} cannot be read ({error}).", hint) from error
    if model_type not in kinds:
        raise UserError(f"{folder} contains a model of type '{model_type}'.", did_you_mean(model_type, kinds))
    model, processor = kinds[model_type]
    with quiet():
        try:
            reader = processor.from_pretrained(folder)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise UserError(f"{folder} has no readable processor ({error}).", hint) from error
        return load_strictly(folder, model, torch.float32).to(device), reader
