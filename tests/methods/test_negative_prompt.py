"""np: diffusers' own negative prompt, and the same idea for more names than one context holds."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from erasebench.api.erasure import Erasure
from erasebench.api.method import MethodConfig
from erasebench.errors import UserError
from erasebench.methods.negative_prompt import NegativePrompting
from tests.methods.closed_form import task_of
from tests.methods.inference_time import GUIDANCE, by_hand, ddim_pipeline, eps_of, latents_of, states_of
from tests.methods.mace.workspace import TestWorkspace

PROMPTS = ["Ada Thorne at sea", "a red ball", "Bo"]
MANY = [f"Name Number {i}" for i in range(12)]


def erased(tmp_path: Path, *names: str) -> tuple[TestWorkspace, Erasure]:
    workspace = TestWorkspace(ddim_pipeline(), tmp_path)
    return workspace, NegativePrompting(MethodConfig()).erase(workspace.pipeline, task_of(names=names), workspace)


@pytest.mark.parametrize("batch", [1, 3])
def test_it_is_diffusers_own_negative_prompt(tmp_path: Path, batch: int) -> None:
    workspace, erasure = erased(tmp_path, "Ada Thorne", "Bo")
    plain = latents_of(workspace.pipeline, PROMPTS[:batch], 3, negative_prompt=["Ada Thorne, Bo"] * batch)
    with erasure.applied_to(workspace.pipeline):
        found = latents_of(workspace.pipeline, PROMPTS[:batch], 3)
    assert torch.equal(found, plain)
    assert not torch.equal(found, latents_of(workspace.pipeline, PROMPTS[:batch], 3))
    assert not erasure.tensors


def test_a_single_prompt_and_text_states_are_served_too(tmp_path: Path) -> None:
    workspace, erasure = erased(tmp_path, "Bo")
    pipeline = workspace.pipeline

    def call(**more: object) -> Tensor:
        start = torch.ones(2, 4, 8, 8, dtype=torch.float64)
        return pipeline(
            latents=start, num_inference_steps=2, output_type="latent", num_images_per_prompt=2, **more
        ).images

    plain = call(prompt="a red ball", negative_prompt="Bo")
    with erasure.applied_to(pipeline):
        assert torch.equal(call(prompt="a red ball"), plain)
        torch.testing.assert_close(call(prompt_embeds=states_of(pipeline, "a red ball")), plain)


def test_more_names_than_one_context_stand_side_by_side(tmp_path: Path) -> None:
    workspace, erasure = erased(tmp_path, *MANY)
    pipeline, phrases = workspace.pipeline, erasure.record["negative_prompts"]
    assert len(phrases) > 1
    negative = torch.cat([states_of(pipeline, phrase) for phrase in phrases], dim=1)

    def guide(eps_prompt: Tensor, latents: Tensor, timestep: int) -> Tensor:
        eps_negative = eps_of(pipeline, latents, timestep, negative)
        return eps_negative + GUIDANCE * (eps_prompt - eps_negative)

    with erasure.applied_to(pipeline):
        found = latents_of(pipeline, PROMPTS, 3)
    for i, prompt in enumerate(PROMPTS):
        torch.testing.assert_close(found[i], by_hand(pipeline, prompt, i + 1, 3, guide), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"guidance_scale": 1.0}, "classifier-free guidance"),
        ({"negative_prompt": "rain"}, "has its own negative prompt"),
    ],
)
def test_a_call_that_it_cannot_serve_is_refused(tmp_path: Path, call: dict[str, object], message: str) -> None:
    workspace, erasure = erased(tmp_path, "Bo")
    with erasure.applied_to(workspace.pipeline), pytest.raises(UserError, match=message):
        workspace.pipeline("a red ball", num_inference_steps=1, **call)


def test_a_name_longer_than_the_context_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has 90 tokens"):
        erased(tmp_path, "x" * 90)
