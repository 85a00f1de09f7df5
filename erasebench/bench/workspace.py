"""The workspace of a timed erasure: training images cost nothing, and each stage's time is kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from diffusers import StableDiffusionPipeline
from PIL import Image

from erasebench.bench.clock import Clock
from erasebench.testing.workspace import ToyWorkspace


class TimedWorkspace(ToyWorkspace):
    """Gives noise for training images, which are the sampler's work and are timed with it, and finds everything.

    `stages`: seconds by the label of each progress bar.
    """

    def __init__(self, clock: Clock, pipeline: StableDiffusionPipeline, folder: Path, side: int) -> None:
        super().__init__(pipeline, folder, seed=2024)
        self.batch_size = 8
        self.stages: dict[str, float] = {}
        self._clock = clock
        self._side = side

    def sample(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        *,
        steps: int | None = None,
        guidance: float | None = None,
        scheduler: str | None = None,
    ) -> list[Image.Image]:
        """One image of noise for each seed."""
        shape = (self._side, self._side, 3)
        return [Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)) for seed in seeds]

    @contextmanager
    def progress(self, total: int, label: str) -> Iterator[Callable[[int], None]]:
        """Keeps how long the block took."""
        self._clock.synchronize()
        start = time.perf_counter()
        try:
            yield lambda steps: None
        finally:
            self._clock.synchronize()
            self.stages[label] = self.stages.get(label, 0.0) + time.perf_counter() - start
