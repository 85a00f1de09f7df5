"""Each prompt is encoded once, in batches of one shape; where something watches the encoding, at every call."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline

from erasebench.api.sampling_change import watched_prompts
from erasebench.api.world import SamplingDefaults
from erasebench.diffusion.profile import NumericsProfile
from erasebench.diffusion.prompt_states import PromptStates, may_be_kept
from erasebench.diffusion.sampling import Sampler, SampleSpec
from tests.tiny_model import WIDTH, tiny_pipeline

SETTINGS = SamplingDefaults(steps=2, guidance=4.0, width=WIDTH, height=WIDTH, batch_size=2)
NAMES = ("Ann", "Bob", "Cid", "Dan", "Eve")
SPECS = [SampleSpec(f"a portrait of {name}", seed) for name in NAMES for seed in (1, 2, 3)]


@pytest.fixture
def pipeline() -> StableDiffusionPipeline:
    return tiny_pipeline()


def made(pipeline: StableDiffusionPipeline, specs: list[SampleSpec]) -> list[Any]:
    return list(Sampler(pipeline, SETTINGS, NumericsProfile(batch_size=2)).images(specs))


def encoded(pipeline: StableDiffusionPipeline, specs: list[SampleSpec]) -> list[tuple[int, ...]]:
    """The shapes that the text encoder was called with."""
    shapes: list[tuple[int, ...]] = []
    forward = pipeline.text_encoder.forward

    def watching(ids: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        shapes.append(tuple(ids.shape))
        return forward(ids, *args, **kwargs)

    pipeline.text_encoder.forward = watching
    try:
        made(pipeline, specs)
    finally:
        del pipeline.text_encoder.forward
    return shapes


def test_each_prompt_is_encoded_once_and_the_empty_one_once(pipeline: StableDiffusionPipeline) -> None:
    shapes = encoded(pipeline, SPECS)
    # Five prompts in three batches of two, and one batch of the empty prompt; eight batches of images.
    assert len(shapes) == 4 and len(set(shapes)) == 1 and shapes[0][0] == 2


def test_companions_and_order_change_no_pixel(pipeline: StableDiffusionPipeline) -> None:
    whole = dict(zip(SPECS, made(pipeline, SPECS), strict=True))
    for specs in (SPECS[::-1], SPECS[4:9], SPECS[::4]):
        for spec, image in zip(specs, made(pipeline, specs), strict=True):
            assert np.array_equal(image, whole[spec])


def test_without_guidance_nothing_is_encoded_for_it(pipeline: StableDiffusionPipeline) -> None:
    states = PromptStates(pipeline, 2, guided=False)
    assert set(states.of(["a cat", "a dog"], [])) == {"prompt_embeds"}


def test_text_that_an_edit_changes_at_each_call_is_not_kept(pipeline: StableDiffusionPipeline) -> None:
    calls = []

    def change(encode: Any, arguments: Any) -> Any:
        calls.append(arguments["prompt"])
        return encode(**arguments)

    assert may_be_kept(pipeline)
    with watched_prompts(pipeline, change):
        assert not may_be_kept(pipeline)
        made(pipeline, SPECS[:5])
    assert [len(prompts) for prompts in calls] == [2, 2, 2], "every call of the pipeline has its prompts"
    hook = next(iter(pipeline.text_encoder.children())).register_forward_hook(lambda *_: None)
    assert not may_be_kept(pipeline)
    hook.remove()
    assert may_be_kept(pipeline)
