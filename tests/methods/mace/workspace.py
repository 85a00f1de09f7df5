"""A workspace for tests: samples the pipeline itself, and finds every concept in the middle of the image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from PIL import Image

from erasebench.api.concepts import Concept, ErasureTask
from erasebench.api.method import Box, Segmentation

CPU = torch.device("cpu")

PEOPLE = ErasureTask(
    concepts=tuple(Concept(name=name, kind="person", anchor="a person") for name in ("Ada Thorne", "Ada", "Bo Lin")),
    keep=("Cy Marsh", "Di Wick"),
    prior_captions=("a red house", "two dogs on a lawn", "rain"),
)


@dataclass
class TestWorkspace:
    """`seed` decides all; `segmented` counts the images that were looked at, `sampled` those that were painted."""

    __test__ = False

    pipeline: StableDiffusionPipeline
    folder: Path
    seed: int = 2024
    batch_size: int = 64
    device: torch.device = CPU
    sampled: list[str] = field(default_factory=list)
    segmented: int = 0
    finds: bool = True

    def sample(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        *,
        steps: int | None = None,
        guidance: float | None = None,
        scheduler: str = "ddim",
    ) -> list[Image.Image]:
        """Two DDIM steps, whatever is asked."""
        self.sampled += prompts
        kept, self.pipeline.scheduler = (
            self.pipeline.scheduler,
            DDIMScheduler.from_config(self.pipeline.scheduler.config),
        )
        noise = [torch.randn(4, 8, 8, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        images = self.pipeline(
            list(prompts), latents=torch.stack(noise).to(self.device), num_inference_steps=2, guidance_scale=2.0
        ).images
        self.pipeline.scheduler = kept
        return list(images)

    def segment(self, images: Sequence[Image.Image], phrase: str) -> list[Segmentation]:
        """One box in the middle with score 0.9, or none."""
        self.segmented += len(images)
        return [middle(image.width) if self.finds else nothing(image.width) for image in images]

    @contextmanager
    def progress(self, total: int, label: str) -> Iterator[Callable[[int], None]]:
        """Fails unless exactly `total` steps are reported."""
        done: list[int] = []
        yield done.append
        assert sum(done) == total, label


def middle(side: int) -> Segmentation:
    """The middle quarter of a square image."""
    mask = np.zeros((1, side, side), dtype=bool)
    mask[0, side // 4 : 3 * side // 4, side // 4 : 3 * side // 4] = True
    return Segmentation([Box(side // 4, side // 4, 3 * side // 4, 3 * side // 4, 0.9)], mask)


def nothing(side: int) -> Segmentation:
    """No box at all."""
    return Segmentation([], np.zeros((0, side, side), dtype=bool))
