"""SLD: its guidance against the paper's equations written out number by number, at any batch size."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from erasebench.api.erasure import Erasure
from erasebench.errors import UserError
from erasebench.methods.sld import GuidanceState, Sld, SldMax, SldMedium, SldStrong, SldWeak
from tests.methods.closed_form import task_of
from tests.methods.inference_time import GUIDANCE, by_hand, ddim_pipeline, eps_of, latents_of, states_of
from tests.methods.mace.workspace import TestWorkspace

STEPS = 10
PROMPTS = ["Ada Thorne at sea", "a red ball", "Bo", "", "two boxes"]
# (delta of 50 steps, s_S, lambda, s_m, beta): the paper's four configurations.
PUBLISHED: dict[type[Sld], tuple[int, float, float, float, float]] = {
    SldWeak: (15, 200.0, 0.0, 0.0, 0.0),
    SldMedium: (10, 1000.0, 0.01, 0.3, 0.4),
    SldStrong: (7, 2000.0, 0.025, 0.5, 0.7),
    SldMax: (0, 5000.0, 1.0, 0.5, 0.7),
}


def method(kind: type[Sld]) -> Sld:
    return kind(kind.recipe(world="stable-diffusion-v1-4", kind="person", n_concepts=2))


def erased(kind: type[Sld], tmp_path: Path) -> tuple[TestWorkspace, Erasure]:
    workspace = TestWorkspace(ddim_pipeline(), tmp_path)
    return workspace, method(kind).erase(workspace.pipeline, task_of(), workspace)


class ScalarSld:
    """The equations for one image, one number at a time."""

    def __init__(self, pipeline: object, phrase: str, constants: tuple[int, float, float, float, float]) -> None:
        self.pipeline, self.phrase = pipeline, phrase
        self.delta, self.scale, self.threshold, self.s_m, self.beta = constants
        self.step, self.nu = 0, [0.0] * 256

    def __call__(self, eps_prompt: Tensor, latents: Tensor, timestep: int) -> Tensor:
        nothing, phrase = (
            eps_of(self.pipeline, latents, timestep, states_of(self.pipeline, text))  # type: ignore[arg-type]
            for text in ("", self.phrase)
        )
        beta, warmup = self.beta ** (50 / STEPS), round(self.delta * STEPS / 50)
        guided = []
        numbers = zip(eps_prompt.flatten().tolist(), phrase.flatten().tolist(), nothing.flatten().tolist(), strict=True)
        for i, (p, s, u) in enumerate(numbers):
            mu = min(1.0, self.scale * abs(p - s)) if p - s < self.threshold else 0.0
            g = mu * (s - u) + self.s_m * self.nu[i]
            self.nu[i] = beta * self.nu[i] + (1 - beta) * g
            guided.append(u + GUIDANCE * (p - u - (g if self.step >= warmup else 0.0)))
        self.step += 1
        return torch.tensor(guided, dtype=torch.float64).reshape(eps_prompt.shape)


@pytest.mark.parametrize("kind", list(PUBLISHED))
@pytest.mark.parametrize("batch", [1, 5])
def test_guidance_is_the_papers_number_by_number(tmp_path: Path, kind: type[Sld], batch: int) -> None:
    workspace, erasure = erased(kind, tmp_path)
    pipeline = workspace.pipeline
    plain = latents_of(pipeline, PROMPTS[:batch], STEPS)
    with erasure.applied_to(pipeline):
        found = latents_of(pipeline, PROMPTS[:batch], STEPS)
        again = latents_of(pipeline, PROMPTS[:batch], STEPS)
    for i in {0, batch - 1}:
        reference = ScalarSld(pipeline, "Ada Thorne, Bo", PUBLISHED[kind])
        torch.testing.assert_close(
            found[i], by_hand(pipeline, PROMPTS[i], i + 1, STEPS, reference), rtol=1e-6, atol=1e-7
        )
    assert float((found - plain).abs().max()) > 1e-2
    # The momentum of one call is not carried into the next.
    assert torch.equal(found, again)
    assert torch.equal(latents_of(pipeline, PROMPTS[:batch], STEPS), plain)


@pytest.mark.parametrize("kind", list(PUBLISHED))
def test_at_fifty_steps_the_constants_are_the_published_ones(kind: type[Sld]) -> None:
    delta, scale, threshold, s_m, beta = PUBLISHED[kind]
    config = method(kind).config
    assert (config.scale, config.threshold, config.momentum_scale, config.momentum) == (scale, threshold, s_m, beta)
    state = GuidanceState(config, 50)
    far, near = torch.full((1, 1, 1, 1), -1.0), torch.ones(1, 1, 1, 1)
    steps = [float(state.guidance(far, near, torch.zeros(1, 1, 1, 1))) for _ in range(20)]
    assert next(step for step, value in enumerate(steps) if value) == delta
    # mu is 1 and eps_S - eps_none is 1: with nu from 1 up, g = 1 + s_m nu.
    nu = 0.0
    for step, value in enumerate(steps):
        g = 1 + s_m * nu
        nu = beta * nu + (1 - beta) * g
        assert value == pytest.approx(g if step >= delta else 0.0)


@pytest.mark.parametrize("kind", list(PUBLISHED))
@pytest.mark.parametrize("steps", [10, 20])
def test_as_released_the_warm_up_and_the_momentum_count_steps(kind: type[Sld], steps: int) -> None:
    config = kind.recipe(world="miniature", kind="person", n_concepts=2, variant="as-released")
    assert config == method(kind).config.model_copy(update={"step_rule": "count"})
    counted, of_fifty = GuidanceState(config, steps), GuidanceState(method(kind).config, 50)
    predictions = torch.randn(3, 1, 4, 2, 2, generator=torch.Generator().manual_seed(1))
    for _ in range(steps):
        assert torch.equal(counted.guidance(*predictions), of_fifty.guidance(*predictions))


def test_the_rule_for_steps_reaches_the_sampling(tmp_path: Path) -> None:
    workspace = TestWorkspace(ddim_pipeline(), tmp_path)
    found = []
    for rule in ("share", "count"):
        config = method(SldStrong).config.model_copy(update={"step_rule": rule})
        erasure = SldStrong(config).erase(workspace.pipeline, task_of(), workspace)
        with erasure.applied_to(workspace.pipeline):
            found.append(latents_of(workspace.pipeline, PROMPTS[:1], STEPS))
    assert float((found[0] - found[1]).abs().max()) > 1e-3


def test_with_a_scale_below_1_it_is_off_altogether(tmp_path: Path) -> None:
    workspace = TestWorkspace(ddim_pipeline(), tmp_path)
    plain = latents_of(workspace.pipeline, PROMPTS[:2], 2)
    for scale, same in ((0.99, True), (1.0, False)):
        config = method(SldMax).config.model_copy(update={"scale": scale})
        erasure = SldMax(config).erase(workspace.pipeline, task_of(), workspace)
        with erasure.applied_to(workspace.pipeline):
            assert torch.equal(latents_of(workspace.pipeline, PROMPTS[:2], 2), plain) == same


def test_each_image_of_a_batch_is_guided_alone() -> None:
    config = method(SldStrong).config
    generator = torch.Generator().manual_seed(1)
    predictions = torch.randn(3, 5, 4, 2, 2, generator=generator)
    together, alone = GuidanceState(config, 50), [GuidanceState(config, 50) for _ in range(5)]
    for _ in range(12):
        found = together.guidance(*predictions)
        for i in range(5):
            assert torch.equal(found[i : i + 1], alone[i].guidance(*predictions[:, i : i + 1]))


def test_it_has_no_weights_and_works_for_more_names_than_one_context(tmp_path: Path) -> None:
    workspace = TestWorkspace(ddim_pipeline(), tmp_path)
    names = [f"Name Number {i}" for i in range(12)]
    erasure = method(SldMax).erase(workspace.pipeline, task_of(names=names), workspace)
    assert not erasure.tensors
    phrases = erasure.record["unsafe_phrases"]
    assert len(phrases) > 1 and ", ".join(phrases) == ", ".join(names)
    with erasure.applied_to(workspace.pipeline):
        assert torch.isfinite(latents_of(workspace.pipeline, PROMPTS[:2], 2)).all()


def test_without_classifier_free_guidance_it_says_so(tmp_path: Path) -> None:
    workspace, erasure = erased(SldWeak, tmp_path)
    with erasure.applied_to(workspace.pipeline), pytest.raises(UserError, match="needs classifier-free guidance"):
        workspace.pipeline("a red ball", num_inference_steps=1, guidance_scale=1.0)
