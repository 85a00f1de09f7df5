"""A U-Net that is tuned in place: the original can still be asked, and afterwards everything is as it was."""

from __future__ import annotations

import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline

from erasebench.editing.parameters import is_projection
from erasebench.errors import UserError
from erasebench.training.tuned_unet import frozen, tuned
from tests.tiny_model import tiny_pipeline

LATENTS, STATES = (
    torch.randn(2, *shape, generator=torch.Generator().manual_seed(1)) for shape in ((4, 8, 8), (77, 32))
)


@pytest.fixture
def pipeline() -> StableDiffusionPipeline:
    return tiny_pipeline()


def test_the_original_predicts_as_before_while_the_copy_is_tuned(pipeline: StableDiffusionPipeline) -> None:
    with torch.no_grad():
        before = pipeline.unet(LATENTS, 500, encoder_hidden_states=STATES).sample
    with tuned(pipeline, is_projection) as model:
        torch.testing.assert_close(model.eps(LATENTS, 500, STATES), before)
        with torch.no_grad():
            for parameter in model.parameters.values():
                parameter.mul_(3.0)
        assert torch.equal(model.eps0(LATENTS, 500, STATES), before)
        assert not model.eps0(LATENTS, 500, STATES).requires_grad
        assert float((model.eps(LATENTS, 500, STATES).detach() - before).abs().max()) > 1e-4
    with torch.no_grad():
        assert torch.equal(pipeline.unet(LATENTS, 500, encoder_hidden_states=STATES).sample, before)


def test_gradients_reach_what_is_tuned_alone_and_leave_no_trace(pipeline: StableDiffusionPipeline) -> None:
    before = {name: value.clone() for name, value in pipeline.unet.state_dict().items()}
    with pytest.raises(RuntimeError, match="half way"), tuned(pipeline, is_projection) as model:
        model.eps(LATENTS, 500, STATES).square().sum().backward()
        moved = {name for name, parameter in pipeline.unet.named_parameters() if parameter.grad is not None}
        assert moved == set(model.parameters) != set()
        raise RuntimeError("half way")
    assert all(torch.equal(value, before[name]) for name, value in pipeline.unet.state_dict().items())
    for part in (pipeline.unet, pipeline.text_encoder):
        assert all(parameter.requires_grad and parameter.grad is None for parameter in part.parameters())


def test_the_edit_is_what_differs(pipeline: StableDiffusionPipeline) -> None:
    with tuned(pipeline, is_projection) as model:
        name = next(iter(model.parameters))
        with torch.no_grad():
            model.parameters[name].add_(1.0)
        edit = model.edit()
    assert list(edit) == [f"unet.{name}"]
    assert torch.equal(edit[f"unet.{name}"], dict(pipeline.unet.named_parameters())[name].detach() + 1.0)


def test_beside_frozen_weights_nothing_asks_for_a_gradient(pipeline: StableDiffusionPipeline) -> None:
    with frozen(pipeline) as unet:
        assert not unet.eps(LATENTS, 500, STATES).requires_grad
        assert not pipeline.text_encoder(torch.tensor([[1, 2]]))[0].requires_grad
    assert pipeline.unet(LATENTS, 500, encoder_hidden_states=STATES).sample.requires_grad


def test_a_model_that_predicts_neither_the_noise_nor_v_is_refused(pipeline: StableDiffusionPipeline) -> None:
    pipeline.scheduler = DDIMScheduler(prediction_type="sample")
    with pytest.raises(UserError, match="predicts 'sample'"), tuned(pipeline, is_projection):
        pass


def test_nothing_to_tune_is_an_error(pipeline: StableDiffusionPipeline) -> None:
    with pytest.raises(UserError, match="none of the parameters"), tuned(pipeline, lambda _: False):
        pass
