"""The workspace that the runner gives a method."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from PIL import Image

from erasebench.api.method import Segmentation
from erasebench.api.world import Segmenter, World
from erasebench.console.progress import progress_bar
from erasebench.diffusion.profile import NumericsProfile
from erasebench.diffusion.sampling import Sampler, SampleSpec
from erasebench.errors import UserError
from erasebench.runner.threads import threads


class RunWorkspace:
    """One erasure's workspace: the world's sampler and segmenter, a scratch folder, device, seed and progress bars."""

    def __init__(
        self, world: World, pipeline: StableDiffusionPipeline, profile: NumericsProfile, *, seed: int, folder: Path
    ) -> None:
        self.device: torch.device = pipeline.device
        self.seed = seed
        self.folder = folder
        self.batch_size = profile.batch_size
        self._world = world
        self._pipeline = pipeline
        self._profile = profile
        most = world.training_image_threads if profile.device_type == "cpu" else None
        self._threads = None if most is None else min(most, torch.get_num_threads())

    def sample(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        *,
        steps: int | None = None,
        guidance: float | None = None,
        scheduler: str | None = None,
    ) -> list[Image.Image]:
        """See `erasebench.api.method.Workspace`; UserError where the model gives numbers that are no image."""
        chosen = {"steps": steps, "guidance": guidance, "scheduler": scheduler}
        given = {key: value for key, value in chosen.items() if value is not None}
        settings = self._world.sampling.model_copy(update=given)
        sampler = Sampler(self._pipeline, settings, self._profile)
        specs = [SampleSpec(prompt, seed) for prompt, seed in zip(prompts, seeds, strict=True)]
        images = []
        with threads(self._threads):
            for spec, pixels in zip(specs, sampler.images(specs), strict=True):
                if pixels is None:
                    what = f"The model gave NaN or infinity for '{spec.prompt}', seed {spec.seed}."
                    raise UserError(what, "Check the model's weights; half precision can overflow.")
                images.append(Image.fromarray(pixels))
        return images

    def segment(self, images: Sequence[Image.Image], phrase: str) -> list[Segmentation]:
        """See `erasebench.api.method.Workspace`."""
        return self._segmenter.segment(images, phrase)

    def progress(self, total: int, label: str) -> AbstractContextManager[Callable[[int], None]]:
        """See `erasebench.api.method.Workspace`."""
        return progress_bar(total, label)

    @cached_property
    def _segmenter(self) -> Segmenter:
        return self._world.segmenter(self.device)
