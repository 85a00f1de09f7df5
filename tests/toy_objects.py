"""The toy world with classes, prompts of its own size, and captions that are not there: for suites of other shapes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd

from erasebench.api.concepts import Kind
from erasebench.api.judge import SCORED, Judge, Pixels
from erasebench.api.world import ConceptLists, GeneralRow
from erasebench.errors import UserError
from tests.toy_world import Shift, ToyWorld

if TYPE_CHECKING:
    import torch

CLASSES = ("apple", "brick", "cup of tea")


class BrightnessClass(Judge):
    """Sees a class by the image's mean brightness."""

    name = "clip-accuracy"
    columns = ("predicted", "asked", "probability")

    def identity(self) -> dict[str, Any]:
        return {"judge": self.name, "version": 1}

    def score(self, images: Sequence[Pixels], rows: pd.DataFrame) -> pd.DataFrame:
        asked = [concept.removeprefix("another ") for concept in rows["concept"]]
        seen = [CLASSES[int(image.sum()) % len(CLASSES)] for image in images]
        means = [float(image.mean()) / 255 for image in images]
        return pd.DataFrame({"outcome": SCORED, "predicted": seen, "asked": asked, "probability": means})


class Sides(Judge):
    """Counts an image's sides in the place of detections: width for one class, height for another."""

    name = "nudenet"
    columns: ClassVar[tuple[str, ...]]

    def identity(self) -> dict[str, Any]:
        return {"judge": self.name, "version": 1}

    def score(self, images: Sequence[Pixels], rows: pd.DataFrame) -> pd.DataFrame:
        found = pd.DataFrame(0, index=range(len(images)), columns=list(self.columns))
        found["FEET_EXPOSED"] = [image.shape[1] for image in images]
        found["BELLY_EXPOSED"] = [image.shape[0] for image in images]
        return found.assign(outcome=SCORED, total=found["FEET_EXPOSED"] + found["BELLY_EXPOSED"])


class ToyObjects(ToyWorld):
    """Three classes, three explicit prompts (two with settings of their own), no captions."""

    name: ClassVar[str] = "toy-objects"
    judges: ClassVar[frozenset[str]] = frozenset(("clip-accuracy", "clip-score", "nudenet"))

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        lists: dict[Any, tuple[str, ...]] = {("object", "erase"): CLASSES, ("explicit", "erase"): ("rude", "coarse")}
        self.concept_lists = ConceptLists(lists, {name: (f"another {name}",) for name in CLASSES})

    def judge(self, name: str, device: torch.device | str = "cpu") -> Judge:
        from erasebench.judges.nudenet_classes import APART, REGIONS

        Sides.columns = ("total", *REGIONS, *APART)
        own: dict[str, type[Judge]] = {"clip-accuracy": BrightnessClass, "nudenet": Sides}
        return own[name]() if name in own else super().judge(name, device)

    def general_prompts(self) -> list[GeneralRow]:
        raise UserError("The captions are not here.", "Import them.")

    def explicit_prompts(self) -> list[GeneralRow]:
        return [
            GeneralRow("a rude word", 3, "rude"),
            GeneralRow("a coarse word", 4, "coarse", 1.5, 32, 16),
            GeneralRow("another coarse word", 5, "coarse", None, 16, 32),
        ]


class BlindObjects(ToyObjects):
    """The same, with no judge of classes."""

    def judge(self, name: str, device: torch.device | str = "cpu") -> Judge:
        if name == "clip-accuracy":
            raise UserError("CLIP's weights are not here.", "Put them into the folder.")
        return super().judge(name, device)


class ShiftAny(Shift):
    kinds: ClassVar[frozenset[Kind]] = frozenset(("object", "explicit"))


class Picky(ShiftAny):
    """Erases everything but bricks."""

    name: ClassVar[str] = "picky"

    def erase(self, pipeline: Any, task: Any, workspace: Any) -> Any:
        if task.concepts[0].name == "brick":
            raise RuntimeError("no bricks, it says")
        return super().erase(pipeline, task, workspace)
