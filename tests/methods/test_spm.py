"""SPM: its target and anchoring, the gates for each image of a batch, and resuming."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from erasebench.concepts import Concept, ErasureTask
from erasebench.editing.adapters import fresh_adapters, transformer_layers
from erasebench.editing.text_states import TextStates
from erasebench.erasure import Erasure
from erasebench.errors import UserError
from erasebench.methods.spm import (
    GatedAdapters,
    Spm,
    SpmConfig,
    cosines,
    learning_rate_factor,
    random_states,
    token_overlap,
)
from tests.methods.inference_time import ddim_pipeline, latents_of
from tests.methods.mace.workspace import TestWorkspace
from tests.methods.training_method import PUBLISHED, assert_resumes, erase
from tests.tiny_model import tiny_pipeline, tiny_tokenizer

SMALL = SpmConfig(steps=4, ddim_steps=4, batch_size=2, learning_rate=1e-2, checkpoint_every=1, anchoring_states=2)
CONCEPT, FAR = "Zed Quux", "a big barn on a hill"
# The tokenizer spells: a prompt shares letters with any name, so the far one is chosen to share none.
PROMPTS = [f"{CONCEPT} at sea", FAR, "a ball", f"a {CONCEPT}", FAR]


def strong_adapters(unet: object) -> dict[str, torch.Tensor]:
    """Adapters that no image survives where their gate is open."""
    weights = fresh_adapters(unet, 1, [torch.Generator().manual_seed(1)])  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(2)
    return {name: torch.randn(value.shape, generator=generator) for name, value in weights.items()}


def change_of(pipeline: object, floor: float = 0.999) -> GatedAdapters:
    weights = strong_adapters(pipeline.unet)  # type: ignore[attr-defined]
    return GatedAdapters(concepts=(CONCEPT,), floors=(floor,), rank=1, tensors=weights)


def test_random_states_have_the_targets_length_and_keep_away_from_it() -> None:
    # In a plane the cosine spreads; accepting by min(1, 1 - cosine) gives it the mean -(pi / 2) / (2 pi - 2).
    target = torch.tensor([[3.0, 4.0]])
    found = random_states(target, 4000, torch.Generator().manual_seed(1))
    norms = found.flatten(1).norm(dim=1)
    assert 4.0 <= float(norms.min()) < 4.05 and 5.95 < float(norms.max()) <= 6.0
    mean = float(torch.nn.functional.cosine_similarity(found.flatten(1), target.flatten()[None]).mean())
    assert mean == pytest.approx(-math.pi / (4 * math.pi - 4), abs=0.02)


def test_the_rate_warms_up_then_falls_three_times() -> None:
    factors = [learning_rate_factor(step, 3000) for step in range(3000)]
    assert factors[249] == pytest.approx(0.5) and factors[499] == pytest.approx(1.0)
    restarts = [step for step in range(501, 3000) if factors[step] > factors[step - 1] + 0.5]
    assert [round(step, -1) for step in restarts] == [1330, 2170, 3000]
    assert min(factors[:2990]) >= 0 and max(factors) <= 1


def test_gates_are_open_for_the_concept_and_shut_for_a_far_prompt() -> None:
    pipeline = tiny_pipeline()
    text = TextStates(pipeline)
    gates = change_of(pipeline).gates(text, text.encode(PROMPTS), PROMPTS)[:, 0].tolist()
    assert gates[0] == gates[3] == 1.0
    assert gates[1] == gates[4] == 0.0


def test_a_gate_is_the_larger_of_cosine_and_overlap() -> None:
    tokenizer = tiny_tokenizer()
    assert token_overlap(tokenizer, "Zed at sea", "Zed Q") == pytest.approx(3 / 4)
    assert token_overlap(tokenizer, "", "Zed Q") == 0.0
    states = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(1))
    by_hand = float((states[0] * states[1]).sum() / (states[0].norm() * states[1].norm()))
    assert float(cosines(states[:1], states[1:])[0, 0]) == pytest.approx(by_hand)

    pipeline = tiny_pipeline()
    text = TextStates(pipeline)
    raw = float(cosines(text.encode([FAR]), text.encode([CONCEPT]))[0, 0])
    for floor in (0.0, raw / 2, raw):
        gate = float(change_of(pipeline, floor).gates(text, text.encode([FAR]), [FAR])[0, 0])
        assert gate == pytest.approx((raw - floor) / (1 - floor), abs=1e-6)


def test_each_image_of_a_batch_has_its_own_gate() -> None:
    pipeline = ddim_pipeline()
    plain = latents_of(pipeline, PROMPTS, 2)
    with Erasure(sampling=change_of(pipeline)).applied_to(pipeline):
        together = latents_of(pipeline, PROMPTS, 2)
        alone = latents_of(pipeline, PROMPTS[:1], 2)
        copies = pipeline(
            PROMPTS[1:3],
            latents=torch.ones(4, 4, 8, 8, dtype=torch.float64),
            num_images_per_prompt=2,
            num_inference_steps=1,
            output_type="latent",
        ).images
    for far in (1, 4):
        torch.testing.assert_close(together[far], plain[far], rtol=1e-6, atol=1e-9)
    for near in (0, 3):
        assert float((together[near] - plain[near]).abs().max()) > 1e-2
    torch.testing.assert_close(together[0], alone[0], rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(copies[0], copies[1])
    torch.testing.assert_close(copies[2], copies[3])
    assert torch.equal(latents_of(pipeline, PROMPTS, 2), plain)


def test_text_states_in_place_of_a_prompt_are_refused() -> None:
    pipeline = tiny_pipeline()
    states = TextStates(pipeline).encode([FAR])
    with Erasure(sampling=change_of(pipeline)).applied_to(pipeline), pytest.raises(UserError, match="brings none"):
        pipeline(prompt_embeds=states, negative_prompt_embeds=states, num_inference_steps=1)


def test_every_layer_gets_a_membrane_for_each_concept(tmp_path: Path) -> None:
    workspace, erasure = erase(Spm(SMALL), tmp_path, names=("Ada", "Bo", "Cy Li"), keep=())
    layers = transformer_layers(workspace.pipeline.unet)
    change = erasure.sampling
    assert isinstance(change, GatedAdapters)
    assert not erasure.tensors
    assert set(change.tensors) == {f"{part}.{name}" for part in ("down", "up") for name in layers}
    for name, layer in layers.items():
        assert change.tensors[f"down.{name}"].shape == (3, *layer.weight.shape[1:])
        assert change.tensors[f"up.{name}"].shape == (layer.weight.shape[0], 3)
    moved = [change.tensors[f"up.{name}"].abs().amax(dim=0) for name in layers]
    assert torch.stack(moved).amax(dim=0).min() > 1e-4
    assert (change.concepts, change.floors) == (("Ada", "Bo", "Cy Li"), (0.0, 0.0, 0.0))
    assert [len(losses) for losses in erasure.record["losses"]] == [4, 4]


def test_a_prior_caption_leaves_a_membrane_shut_where_the_floor_is_the_priors(tmp_path: Path) -> None:
    concepts = (Concept(name=CONCEPT, kind="person", anchor="a person"),)
    task = ErasureTask(concepts=concepts, prior_captions=(FAR, "a ball"))
    workspace = TestWorkspace(tiny_pipeline(), tmp_path)
    config = SMALL.model_copy(update={"gate_floor": "prior", "steps": 1})
    change = Spm(config).erase(workspace.pipeline, task, workspace).sampling
    assert isinstance(change, GatedAdapters)
    text = TextStates(workspace.pipeline)
    near = cosines(text.encode([FAR, "a ball"]), text.encode([CONCEPT]))
    assert change.floors == pytest.approx((float(near.max()),))
    assert float(change.gates(text, text.encode([FAR]), [FAR])[0, 0]) == pytest.approx(0.0, abs=1e-6)


def test_anchoring_keeps_the_membrane_from_changing_other_prompts(tmp_path: Path) -> None:
    def moved(weight: float) -> float:
        config = SMALL.model_copy(update={"steps": 15, "anchoring_weight": weight, "pooled_runs": 4})
        _, erasure = erase(Spm(config), tmp_path / str(weight), names=("Ada",))
        pipeline = ddim_pipeline()
        plain = latents_of(pipeline, ["Ada"], 1)
        with erasure.applied_to(pipeline):
            return float((latents_of(pipeline, ["Ada"], 1) - plain).norm())

    # A random model's predictions for concept and anchor hardly differ: what moves it is what anchoring holds back.
    assert moved(1e5) < 0.8 * moved(0.0)


def test_recipes_are_the_releases() -> None:
    config = Spm.recipe(world=PUBLISHED, kind="person", n_concepts=10)
    assert isinstance(config, SpmConfig)
    assert (config.steps, config.learning_rate, config.rank, config.ddim_steps) == (3000, 1e-4, 1, 30)
    assert (config.anchoring_weight, config.anchoring_states, config.start_guidance) == (1000.0, 4, 3.0)
    assert (config.runs_by, config.gate_floor) == ("tuned", "none")


@pytest.mark.parametrize("after", [1, 3])
def test_a_killed_erasure_resumes_to_the_same_bits(tmp_path: Path, after: int) -> None:
    assert_resumes(lambda: Spm(SMALL.model_copy(update={"batch_size": 1})), tmp_path, "spm, group-1", after)
