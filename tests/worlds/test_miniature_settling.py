"""The change of prompt in the middle of sampling: none at either end, and the recogniser sees the name that is left."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from diffusers import StableDiffusionPipeline

from erasebench.sampling import build_scheduler
from erasebench.worlds.miniature.settling import pictures
from erasebench.worlds.miniature.world import MiniatureWorld

FIRST, SECOND = "a photo of Zane Langridge", "a photo of Bertram Langridge"


@pytest.fixture(scope="module")
def world() -> MiniatureWorld:
    return MiniatureWorld()


@pytest.fixture(scope="module")
def pipeline(world: MiniatureWorld) -> StableDiffusionPipeline:
    pipeline = world.pipeline()
    pipeline.scheduler = build_scheduler(world.sampling.scheduler, pipeline)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def test_a_change_before_the_first_step_is_the_second_prompt_and_one_after_the_last_none(
    world: MiniatureWorld, pipeline: StableDiffusionPipeline
) -> None:
    (second,) = pictures(pipeline, world, [(FIRST, SECOND)], 0)
    (first,) = pictures(pipeline, world, [(FIRST, SECOND)], world.sampling.steps)
    assert np.array_equal(second, pictures(pipeline, world, [(SECOND, FIRST)], world.sampling.steps)[0])
    assert np.array_equal(first, pictures(pipeline, world, [(FIRST, FIRST)], 3)[0])
    asked = pd.DataFrame({"concept": ["", ""], "prompt": ["", ""]})
    seen = world.judge("identity", torch.device("cpu")).judge([first, second], asked)["predicted"].tolist()
    assert seen == ["Zane Langridge", "Bertram Langridge"]


def test_a_change_in_the_middle_is_neither(world: MiniatureWorld, pipeline: StableDiffusionPipeline) -> None:
    first, middle, second = (pictures(pipeline, world, [(FIRST, SECOND)], at)[0] for at in (12, 7, 0))
    assert not np.array_equal(middle, first) and not np.array_equal(middle, second)
