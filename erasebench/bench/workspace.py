"""The workspace of a timed erasure: training images cost nothing, and each stage's time is kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from erasebench.api.method import Box, Segmentation
from erasebench.bench.clock import Clock


class TimedWorkspace:
    """Gives noise for training images, which are the sampler's work and are timed with it, and finds everything.

    `stages`: seconds by the label of each progress bar.
    """

    def __init__(self, clock: Clock, folder: Path, side: int) -> None:
        self.device = clock.device
        self.seed = 2024
        self.folder = folder
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

    def segment(self, images: Sequence[Image.Image], phrase: str) -> list[Segmentation]:
        """The middle quarter of each image."""
        low, high = self._side // 4, 3 * self._side // 4
        mask = np.zeros((1, self._side, self._side), dtype=bool)
        mask[0, low:high, low:high] = True
        return [Segmentation([Box(low, low, high, high, 0.9)], mask) for _ in images]

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
