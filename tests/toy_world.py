"""A world for tests: the random-weight model, a handful of names, and judges that read the pixels themselves.

It imports torch only where it needs it, like a real world, so that tests can tell who else does.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from erasebench.api.concepts import ErasureTask, Kind
from erasebench.api.judge import NO_FACE, SCORED, Judge, Pixels
from erasebench.api.method import Box, Method, MethodConfig, Segmentation, Workspace
from erasebench.api.world import ConceptLists, GeneralRow, SamplingDefaults, World
from erasebench.errors import UserError
from erasebench.files.weights import files_digest
from erasebench.identity import identity_field, runtime_field

if TYPE_CHECKING:
    import torch
    from diffusers import StableDiffusionPipeline
    from PIL.Image import Image

    from erasebench.api.erasure import Erasure

ERASE = ("Ann Ash", "Bob Bell", "Cat Cole", "Dan Dunn")
RETAIN = ("Eve East", "Fay Ford", "Gil Gray", "Hal Hart", "Ida Ives", "Jon June")
PIXELS = 16


class BrightnessJudge(Judge):
    """Names a person by the image's mean brightness; a seventh of the images have 'no face'."""

    name = "face-id"
    columns = ("predicted",)

    def identity(self) -> dict[str, Any]:
        return {"judge": self.name, "version": 1}

    def score(self, images: Sequence[Pixels], rows: pd.DataFrame) -> pd.DataFrame:
        names = ERASE + RETAIN
        sums = [int(image.sum()) for image in images]
        return pd.DataFrame(
            {
                "outcome": [NO_FACE if value % 7 == 0 else SCORED for value in sums],
                "predicted": [None if value % 7 == 0 else names[value % len(names)] for value in sums],
            }
        )


class BrightnessScore(Judge):
    """A CLIP score's stand-in: the mean brightness in points."""

    name = "clip-score"
    columns = ("clip_score",)

    def identity(self) -> dict[str, Any]:
        return {"judge": self.name, "version": 1}

    def score(self, images: Sequence[Pixels], rows: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"outcome": SCORED, "clip_score": [float(image.mean()) for image in images]})


class WholeImage:
    """A segmenter that finds everything everywhere."""

    digest = "whole-image"

    def segment(self, images: Sequence[Image], phrase: str) -> list[Segmentation]:
        box = Box(0, 0, PIXELS, PIXELS, 1.0)
        return [Segmentation([box], np.ones((1, PIXELS, PIXELS), dtype=bool)) for _ in images]


class ToyWorld(World):
    """The model lies in the folder that --model names; it is made there where absent."""

    name: ClassVar[str] = "toy"
    about: ClassVar[str] = "Random weights: the metrics mean nothing."
    prior_source: ClassVar[str] = "the toy world's source"
    judges: ClassVar[frozenset[str]] = frozenset(("face-id", "clip-score"))

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sampling = SamplingDefaults(steps=2, guidance=3.0, width=PIXELS, height=PIXELS, batch_size=4)
        self.concept_lists = ConceptLists({("person", "erase"): ERASE, ("person", "retain"): RETAIN})

    @classmethod
    def open(cls, model: str | None = None) -> ToyWorld:
        if model is None:
            raise UserError("The toy world needs a folder.", "Give --model.")
        if not Path(model).exists():
            from tests.tiny_model import write_tiny_model

            write_tiny_model(Path(model))
        return cls(Path(model))

    def weights_digest(self) -> str:
        return files_digest(self.folder.rglob("*.safetensors"), self.folder)

    def pipeline(self, device: torch.device | str = "cpu", dtype: torch.dtype | None = None) -> StableDiffusionPipeline:
        from erasebench.families.loading import load_pipeline

        return load_pipeline(self.folder, device, dtype)

    def segmenter(self, device: torch.device | str = "cpu") -> WholeImage:
        return WholeImage()

    def judge(self, name: str, device: torch.device | str = "cpu") -> Judge:
        return {"face-id": BrightnessJudge, "clip-score": BrightnessScore}[name]()

    def prior_captions(self) -> tuple[str, ...]:
        return ("a red ball", "two blue boxes")

    def general_prompts(self) -> list[GeneralRow]:
        return [GeneralRow(f"a general scene {place}", 7) for place in ("on a table", "at sea", "in the snow")]


class BlindWorld(ToyWorld):
    """The same, with no recogniser to be had."""

    def judge(self, name: str, device: torch.device | str = "cpu") -> Judge:
        if name == "face-id":
            raise UserError("The recogniser's weights are not here.", "Put them into the folder.")
        return super().judge(name, device)


class ShiftConfig(MethodConfig):
    amount: float = identity_field(20.0, "Factor of every weight", source="ours")
    steps: int = runtime_field(3, "Times it is announced", ge=1)


class Shift(Method):
    """Multiplies one projection, and counts in its scratch folder how often it was begun."""

    name: ClassVar[str] = "shift"
    kinds: ClassVar[frozenset[Kind]] = frozenset(("person",))
    Config: ClassVar[type[MethodConfig]] = ShiftConfig
    segments: ClassVar[bool] = True

    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        from erasebench.api.erasure import Erasure

        workspace.folder.mkdir(parents=True, exist_ok=True)
        (workspace.folder / f"begun-{os.getpid()}").touch()
        prompts = [f"a photo of {concept.name}" for concept in task.concepts]
        images = workspace.sample(prompts, range(len(prompts)))
        found = workspace.segment(images, task.concepts[0].name)
        parameters = dict(pipeline.unet.named_parameters())
        name = next(name for name in parameters if name.endswith("attn2.to_v.weight"))
        with workspace.progress(self.config.steps, "shift") as advance:
            advance(self.config.steps)
        value = parameters[name].detach() * self.config.amount
        return Erasure({f"unet.{name}": value}, {"task": task.model_dump(mode="json"), "found": len(found)})


class Meeting(Shift):
    """Waits in the folder that TOY_MEETING names until another method waits there too."""

    name: ClassVar[str] = "meeting"

    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        place = Path(os.environ["TOY_MEETING"])
        (place / self.name).touch()
        deadline = time.monotonic() + 120
        while len(list(place.iterdir())) < 2:
            if time.monotonic() > deadline:
                raise RuntimeError("nobody came")
            time.sleep(0.05)
        return super().erase(pipeline, task, workspace)


class MeetingToo(Meeting):
    """The other one."""

    name: ClassVar[str] = "meeting-too"


class Vandal(Shift):
    """Leaves the pipeline changed, as no method may."""

    name: ClassVar[str] = "vandal"

    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        from erasebench.api.erasure import Erasure

        next(pipeline.unet.parameters()).data.add_(1.0)
        return Erasure()


class Clumsy(Shift):
    """Breaks off."""

    name: ClassVar[str] = "clumsy"

    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        raise RuntimeError("out of memory, it says")


class Mistaken(Shift):
    """Has a mistake in its code."""

    name: ClassVar[str] = "mistaken"

    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        raise KeyError("no-such-layer")


class Overflow(Shift):
    """Makes weights that paint no image."""

    name: ClassVar[str] = "overflow"

    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        from erasebench.api.erasure import Erasure

        name, value = next(iter(pipeline.unet.named_parameters()))
        return Erasure({f"unet.{name}": value.detach() * float("nan")})


class Lucky(Shift):
    """What it makes depends on its seed; under the seed that TOY_UNLUCKY names it breaks off."""

    name: ClassVar[str] = "lucky"
    segments: ClassVar[bool] = False

    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        from erasebench.api.erasure import Erasure

        if os.environ.get("TOY_UNLUCKY") == str(workspace.seed):
            raise RuntimeError("diverged")
        name, value = next((n, v) for n, v in pipeline.unet.named_parameters() if n.endswith("attn2.to_v.weight"))
        return Erasure({f"unet.{name}": value.detach() * (1.0 + 10.0 * (workspace.seed % 10))})
