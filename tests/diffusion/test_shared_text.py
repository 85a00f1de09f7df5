"""Keys and values of text are computed once for all steps, and computed anew wherever anything about them changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from torch import nn

from erasebench.api.world import SamplingDefaults
from erasebench.diffusion.profile import NumericsProfile
from erasebench.diffusion.sampling import Sampler, SampleSpec
from erasebench.diffusion.shared_text import shared_text
from tests.tiny_model import WIDTH, tiny_pipeline

SETTINGS = SamplingDefaults(steps=4, guidance=4.0, width=WIDTH, height=WIDTH, batch_size=2)
SPECS = [SampleSpec("a portrait of Ann", 1), SampleSpec("a portrait of Bob", 2)]


@pytest.fixture
def pipeline() -> StableDiffusionPipeline:
    return tiny_pipeline()


def images(pipeline: StableDiffusionPipeline) -> np.ndarray:
    return np.stack(list(Sampler(pipeline, SETTINGS, NumericsProfile(batch_size=2)).images(SPECS)))


def projections(pipeline: StableDiffusionPipeline) -> list[nn.Linear]:
    named = pipeline.unet.named_modules()
    return [module for name, module in named if name.endswith(("attn2.to_k", "attn2.to_v"))]


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch, layers: list[nn.Linear]) -> Iterator[list[int]]:
    """How often each of the layers is really computed."""
    weights = {layer.weight.data_ptr(): at for at, layer in enumerate(layers)}
    times, linear = [0] * len(layers), nn.functional.linear

    def counting(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        if weight.data_ptr() in weights:
            times[weights[weight.data_ptr()]] += 1
        return linear(x, weight, bias)

    with monkeypatch.context() as patch:
        patch.setattr(nn.functional, "linear", counting)
        yield times


def test_each_projection_of_text_is_computed_once_a_call(
    pipeline: StableDiffusionPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    with counted(monkeypatch, projections(pipeline)) as times:
        images(pipeline)
    assert set(times) == {1}, "4 steps, one computation"


def test_no_layer_keeps_anything_afterwards(pipeline: StableDiffusionPipeline) -> None:
    images(pipeline)
    assert not any("forward" in vars(layer) for layer in projections(pipeline))


@pytest.mark.parametrize("kind", ["forward", "pre"])
def test_a_hook_that_differs_from_step_to_step_changes_every_step(pipeline: StableDiffusionPipeline, kind: str) -> None:
    plain = images(pipeline)
    layer, steps = projections(pipeline)[0], []

    def after(module: nn.Module, inputs: object, output: torch.Tensor) -> torch.Tensor:
        steps.append(1)
        return output * len(steps)

    def before(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        steps.append(1)
        return (inputs[0] * len(steps),)

    hook = layer.register_forward_hook(after) if kind == "forward" else layer.register_forward_pre_hook(before)
    hooked = images(pipeline)
    assert len(steps) == SETTINGS.steps, "it ran at each step"
    steps.clear()
    # Without memory: the same hook, every projection computed at every step.
    forwards = {own: own.forward for own in projections(pipeline)}
    for own, forward in forwards.items():
        own.forward = forward  # a forward of its own: the memory leaves the layer alone
    assert np.array_equal(images(pipeline), hooked)
    assert not np.array_equal(hooked, plain)
    hook.remove()


def test_what_changes_between_two_calls_is_seen(pipeline: StableDiffusionPipeline) -> None:
    layer = projections(pipeline)[0]
    text = torch.randn(2, 5, layer.in_features)
    with torch.no_grad(), shared_text(pipeline.unet):
        first = layer(text)
        assert layer(text) is first
        text.mul_(2)
        assert torch.equal(layer(text), nn.functional.linear(text, layer.weight, layer.bias))
        layer.weight.data = layer.weight.data * 3
        assert torch.equal(layer(text), nn.functional.linear(text, layer.weight, layer.bias))
        layer.weight.mul_(2)
        assert torch.equal(layer(text), nn.functional.linear(text, layer.weight, layer.bias))
        layer(text).add_(1)  # an answer that somebody writes into is not given again
        assert torch.equal(layer(text), nn.functional.linear(text, layer.weight, layer.bias))
        other = text.clone()
        assert layer(other) is not layer(text)
