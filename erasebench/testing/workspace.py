"""The workspace that the kit gives a method, and an ear for every text that the method reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from numpy.typing import NDArray
from PIL import Image

from erasebench.api.erasure import Erasure
from erasebench.api.method import Box, Segmentation
from erasebench.api.world import SamplingDefaults
from erasebench.diffusion.profile import NumericsProfile
from erasebench.diffusion.sampling import Sampler, SampleSpec
from erasebench.testing.model import WIDTH

STEPS = 4
SETTINGS = SamplingDefaults(steps=STEPS, guidance=3.0, width=WIDTH, height=WIDTH, batch_size=4)
PROFILE = NumericsProfile(batch_size=4)


class ToyWorkspace:
    """Samples with a few steps, whatever is asked; finds everything in the middle; keeps the prompts it sampled.

    `segments`: what the method says of itself; one that segments and does not say so fails.
    """

    def __init__(self, pipeline: StableDiffusionPipeline, folder: Path, seed: int, *, segments: bool = True) -> None:
        self.device: torch.device = pipeline.device
        self.seed = seed
        self.folder = folder
        self.batch_size = PROFILE.batch_size
        self.generated: list[str] = []
        self._pipeline = pipeline
        self._segments = segments

    def sample(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        *,
        steps: int | None = None,
        guidance: float | None = None,
        scheduler: str | None = None,
    ) -> list[Image.Image]:
        """See `erasebench.api.method.Workspace`."""
        self.generated += prompts
        specs = [SampleSpec(prompt, seed) for prompt, seed in zip(prompts, seeds, strict=True)]
        settings = SETTINGS.model_copy(update={} if scheduler is None else {"scheduler": scheduler})
        return [Image.fromarray(pixels) for pixels in generated(self._pipeline, specs, settings)]

    def segment(self, images: Sequence[Image.Image], phrase: str) -> list[Segmentation]:
        """See `erasebench.api.method.Workspace`."""
        assert self._segments, "erase calls segment, but segments_for(kind) is False: set segments = True"
        return [_middle(image.width, image.height) for image in images]

    @contextmanager
    def progress(self, total: int, label: str) -> Iterator[Callable[[int], None]]:
        """See `erasebench.api.method.Workspace`; a bar that runs over its total fails."""
        left = total

        def advance(steps: int) -> None:
            nonlocal left
            left -= steps
            assert left >= 0, f"progress '{label}' made {total - left} steps, but announced {total}"

        yield advance


def generated(
    pipeline: StableDiffusionPipeline, specs: Sequence[SampleSpec], settings: SamplingDefaults = SETTINGS
) -> list[NDArray[np.uint8]]:
    """One image per sample spec; fails where the model gives numbers that are no image."""
    images = list(Sampler(pipeline, settings, PROFILE).images(specs))
    missing = [spec.prompt for spec, image in zip(specs, images, strict=True) if image is None]
    assert not missing, f"the model gave NaN or infinity for {missing}"
    return [image for image in images if image is not None]


def generated_with(erasure: Erasure, pipeline: StableDiffusionPipeline, specs: Sequence[SampleSpec]) -> list[bytes]:
    """The pixels of every sample spec, sampled with the erasure on."""
    with erasure.applied_to(pipeline):
        return [image.tobytes() for image in generated(pipeline, specs)]


@contextmanager
def overheard(pipeline: StableDiffusionPipeline) -> Iterator[list[str]]:
    """Every text that the pipeline's tokenizer is given inside the block, in order."""
    heard: list[str] = []
    tokenizer = pipeline.tokenizer
    plain: Any = type(tokenizer)

    class Listening(plain):
        def __call__(self, text: Any = None, *args: Any, **kwargs: Any) -> Any:
            heard.extend(_texts(text))
            return super().__call__(text, *args, **kwargs)

        def encode(self, text: Any, *args: Any, **kwargs: Any) -> Any:
            heard.extend(_texts(text))
            return super().encode(text, *args, **kwargs)

        def tokenize(self, text: Any, *args: Any, **kwargs: Any) -> Any:
            heard.extend(_texts(text))
            return super().tokenize(text, *args, **kwargs)

    # The object stays the same, so that whoever holds it is heard too.
    tokenizer.__class__ = Listening
    try:
        yield heard
    finally:
        tokenizer.__class__ = plain


def _texts(text: Any) -> Iterable[str]:
    if isinstance(text, str):
        return [text]
    return [part for each in text or () for part in _texts(each)]


def _middle(width: int, height: int) -> Segmentation:
    mask = np.zeros((1, height, width), dtype=bool)
    mask[0, height // 4 : 3 * height // 4, width // 4 : 3 * width // 4] = True
    return Segmentation([Box(width // 4, height // 4, 3 * width // 4, 3 * height // 4, 0.9)], mask)
