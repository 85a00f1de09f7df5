"""How much longer sampling takes under an edit: measured side by side, since seconds of two runs do not compare."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from statistics import median
from typing import TYPE_CHECKING

from erasebench.api.world import SamplingDefaults
from erasebench.diffusion.profile import NumericsProfile
from erasebench.diffusion.sampling import Sampler, SampleSpec

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

    from erasebench.api.erasure import Erasure

PAIRS = 3
"""Batches without and with the edit, in turn, after one of each to warm up."""
BATCH = 8
"""Images of such a batch at most."""


def measured_ratio(
    pipeline: StableDiffusionPipeline,
    erasure: Erasure,
    specs: Sequence[SampleSpec],
    settings: SamplingDefaults,
    profile: NumericsProfile,
) -> float:
    """Seconds of a batch with the edit over seconds without it, the median of each; the images are thrown away.

    All batches are of the same prompts and seeds, the first of `specs`, and under the same settings.
    """
    smaller = profile.model_copy(update={"batch_size": min(BATCH, profile.batch_size)})
    batch = list(specs[: smaller.batch_size])
    seconds: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(1 + PAIRS):
        for edited, spent in seconds.items():
            with erasure.applied_to(pipeline) if edited else nullcontext():
                start = time.perf_counter()
                for _image in Sampler(pipeline, settings, smaller).images(batch):
                    pass
                spent.append(time.perf_counter() - start)
    plain, changed = (median(spent[1:]) for spent in seconds.values())
    return changed / plain
