"""Make the images that a store lacks: for a run's stage and for `erasebench sample` alike."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from erasebench.cost import Cost, measured
from erasebench.image_store import ImageStore
from erasebench.progress import progress_bar
from erasebench.sampling import Sampler, Shot

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

    from erasebench.erasure import Erasure
    from erasebench.identity import NumericsProfile
    from erasebench.world import SamplingDefaults

log = logging.getLogger(__name__)


def set_aside_corrupted(store: ImageStore, images: Iterable[str]) -> None:
    """Name every image whose file is no longer what was written, and move it out of the way."""
    for image in store.corrupted(images):
        path = store.path(image)
        log.warning("%s is not what was written: set aside as %s and made anew.", path, store.set_aside(image))


def paint(
    store: ImageStore,
    shots: Mapping[str, Shot],
    pipeline: StableDiffusionPipeline,
    erasure: Erasure,
    settings: SamplingDefaults,
    profile: NumericsProfile,
    label: str,
) -> None:
    """Put the image of every shot, by digest, into the store; those that are there and whole are left alone."""
    set_aside_corrupted(store, shots)
    missing = store.missing(shots)
    if not missing:
        return
    device = str(pipeline.device)
    with (
        erasure.applied_to(pipeline),
        progress_bar(len(shots), label, "image") as advance,
        measured(device) as meter,
    ):
        advance(len(shots) - len(missing))
        sampler = Sampler(pipeline, settings, profile)
        spent = 0.0
        for image, pixels in zip(missing, sampler.images([shots[image] for image in missing]), strict=True):
            now = meter.read()
            store.put(image, pixels, Cost(now.seconds - spent, now.peak_memory_bytes))
            spent = now.seconds
            advance(1)
