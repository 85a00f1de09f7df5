"""Make the images that a store lacks: for a run's stage and for `erasebench sample` alike."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from erasebench.api.world import SamplingDefaults
from erasebench.console.progress import progress_bar
from erasebench.cost import Cost, measured
from erasebench.diffusion.sampling import Sampler, SampleSpec, cut_prompts
from erasebench.prompts import PromptRow
from erasebench.store.images import ImageStore
from erasebench.store.writer import written_aside

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

    from erasebench.api.erasure import Erasure
    from erasebench.diffusion.profile import NumericsProfile

log = logging.getLogger(__name__)


class Wanted(NamedTuple):
    """One image to be made, and the settings that it is sampled with."""

    spec: SampleSpec
    settings: SamplingDefaults


def wanted(rows: Iterable[PromptRow], digests: Mapping[int, str], defaults: SamplingDefaults) -> dict[str, Wanted]:
    """Every row's image by digest; a row's own guidance and size go before the world's."""
    return {
        digests[row.row]: Wanted(
            SampleSpec(row.prompt, row.seed), defaults.model_copy(update=row.own) if row.own else defaults
        )
        for row in rows
    }


def set_aside_corrupted(store: ImageStore, images: Iterable[str]) -> None:
    """Name every image whose file is no longer what was written, and move it out of the way."""
    for image in store.corrupted(images):
        path = store.path(image)
        log.warning(
            "%s was changed after it was written: set aside as %s and made again.", path, store.set_aside(image)
        )


def generate(
    store: ImageStore,
    images: Mapping[str, Wanted],
    pipeline: StableDiffusionPipeline,
    erasure: Erasure,
    profile: NumericsProfile,
    label: str,
) -> None:
    """Put every image, by digest, into the store; those that are there and whole are left alone.

    A batch holds images of the same settings alone, so that rows with a size of their own share no batch with others.
    """
    set_aside_corrupted(store, images)
    missing = store.missing(images)
    if not missing:
        return
    batches: dict[SamplingDefaults, list[str]] = {}
    for image in missing:
        batches.setdefault(images[image].settings, []).append(image)
    device = str(pipeline.device)
    if cut := cut_prompts(pipeline, (images[image].spec.prompt for image in missing)):
        prompts = len({images[image].spec.prompt for image in missing})
        log.warning(
            "%s: %d of %d prompts are longer than the %d tokens that the text encoder reads: they are truncated.",
            *(label, cut, prompts, pipeline.tokenizer.model_max_length),
        )
    with (
        erasure.applied_to(pipeline),
        progress_bar(len(images), label, "image", done_before=len(images) - len(missing)) as advance,
        measured(device) as meter,
        written_aside(store) as put,
    ):
        spent = 0.0
        for settings, alike in batches.items():
            sampler = Sampler(pipeline, settings, profile)
            generated = sampler.images([images[image].spec for image in alike])
            # Counted a batch at a time, as they are made: one by one, the first would seem to have taken all the time.
            for first in range(0, len(alike), profile.batch_size):
                batch = alike[first : first + profile.batch_size]
                for image in batch:
                    pixels, now = next(generated), meter.read()
                    put(image, pixels, Cost(now.seconds - spent, now.peak_memory_bytes))
                    spent = now.seconds
                advance(len(batch))
