"""The size of an edit, against numbers that can be counted by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline

from erasebench.api.erasure import Erasure
from erasebench.api.value import Edit
from erasebench.errors import UserError
from erasebench.metrics.edit_size import edit_size, mean_edit
from tests.test_erasure import KEY, TEXT_KEY, weights
from tests.test_sampling_change import Louder
from tests.tiny_model import tiny_pipeline


@pytest.fixture(scope="module")
def pipeline() -> StableDiffusionPipeline:
    return tiny_pipeline()


def own(pipeline: StableDiffusionPipeline, key: str) -> torch.Tensor:
    part, _, name = key.partition(".")
    return dict(getattr(pipeline, part).named_parameters())[name].detach().clone()


def test_the_unedited_model_is_changed_in_nothing(pipeline: StableDiffusionPipeline) -> None:
    assert edit_size(Erasure(), pipeline) == Edit(tensors=0, values=0, unet_share=0, relative_change=0, bytes=0)


def test_values_are_counted_and_the_change_is_relative_to_what_was_touched(pipeline: StableDiffusionPipeline) -> None:
    edited = own(pipeline, KEY)
    edited[0, :3] += 0.5
    untouched = "unet.conv_in.weight"
    found = edit_size(Erasure({KEY: edited, untouched: own(pipeline, untouched)}), pipeline)
    assert (found.tensors, found.values, found.bytes, found.sampling) == (1, 3, 4 * 16 * 32, None)
    assert found.unet_share == 3 / sum(value.numel() for value in pipeline.unet.parameters())
    assert found.text_encoder_share == 0
    norm = float(own(pipeline, KEY).double().norm())
    assert found.relative_change == pytest.approx((3 * 0.25) ** 0.5 / norm, rel=1e-5)


def test_several_tensors_of_both_parts_are_one_edit(pipeline: StableDiffusionPipeline) -> None:
    tensors = {key: 1.5 * own(pipeline, key) for key in (KEY, TEXT_KEY)}
    found = edit_size(Erasure(tensors), pipeline)
    assert found.tensors == 2
    assert found.values == sum(int((value != 0).sum()) for value in tensors.values())
    assert found.relative_change == 0.5
    total = sum(value.numel() for value in pipeline.text_encoder.parameters())
    assert found.text_encoder_share == int((tensors[TEXT_KEY] != 0).sum()) / total


def test_an_edit_that_acts_while_sampling_carries_its_own_tensors(pipeline: StableDiffusionPipeline) -> None:
    change = Louder(factor=2.0, tensors={"scale": torch.ones(32)})
    found = edit_size(Erasure(sampling=change), pipeline)
    assert found == Edit(tensors=0, values=0, unet_share=0, relative_change=0, sampling="louder", bytes=128)
    both = edit_size(Erasure({KEY: own(pipeline, KEY) + 1}, sampling=change), pipeline)
    assert (both.tensors, both.bytes, both.sampling) == (1, 4 * 16 * 32 + 128, "louder")


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_have_no_relative_change(pipeline: StableDiffusionPipeline, wrong: float) -> None:
    found = edit_size(Erasure({KEY: torch.full((16, 32), wrong)}), pipeline)
    assert (found.values, found.relative_change) == (512, None)


def test_what_was_all_zero_has_no_relative_change() -> None:
    empty = tiny_pipeline()
    dict(empty.unet.named_parameters())[KEY.removeprefix("unet.")].data.zero_()
    assert edit_size(Erasure({KEY: torch.ones(16, 32)}), empty).relative_change is None


def test_a_saved_erasure_has_the_same_size_and_the_pipeline_stays(
    pipeline: StableDiffusionPipeline, tmp_path: Path
) -> None:
    before = weights(pipeline)
    erasure = Erasure({KEY: own(pipeline, KEY) * 1.01})
    erasure.save(tmp_path)
    assert edit_size(Erasure.load(tmp_path), pipeline) == edit_size(erasure, pipeline)
    assert all(torch.equal(before[name], value) for name, value in weights(pipeline).items())


def test_an_erasure_of_another_model_is_named(pipeline: StableDiffusionPipeline) -> None:
    with pytest.raises(UserError, match=r"no parameter unet\.nothing"):
        edit_size(Erasure({"unet.nothing": torch.zeros(1)}), pipeline)


def test_an_average_has_the_mean_size_of_its_runs() -> None:
    one = Edit(tensors=2, values=10, unet_share=0.25, relative_change=0.5, sampling="louder", bytes=40)
    two = Edit(tensors=4, values=31, unet_share=0.75, relative_change=1.0, sampling="louder", bytes=124)
    assert mean_edit([one, two]) == Edit(
        tensors=3, values=20, unet_share=0.5, relative_change=0.75, sampling="louder", bytes=82
    )
    assert mean_edit([one, None]) is None
    broken = two.model_copy(update={"relative_change": None})
    mean = mean_edit([one, broken])
    assert mean is not None and mean.relative_change is None
