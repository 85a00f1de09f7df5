"""SPM: its target and anchoring, what is saved, and resuming."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from erasebench.api.concepts import Concept, ErasureTask
from erasebench.editing.adapters import transformer_layers
from erasebench.editing.text_states import TextStates
from erasebench.errors import UserError
from erasebench.methods.spm import GatedAdapters, Spm, SpmConfig
from erasebench.methods.spm.gates import cosines
from erasebench.methods.spm.objective import (
    CYCLES,
    WARM_UP_PART,
    anchoring_states,
    interleaved,
    learning_rate_factor,
    random_states,
    spm_runs,
)
from tests.methods.inference_time import ddim_pipeline, latents_of
from tests.methods.mace.workspace import TestWorkspace
from tests.methods.training_method import PUBLISHED, assert_resumes, erase
from tests.tiny_model import tiny_pipeline

SMALL = SpmConfig(steps=4, ddim_steps=4, batch_size=2, learning_rate=1e-2, checkpoint_every=1, anchoring_states=2)
CONCEPT, FAR = "Zed Quux", "a big barn on a hill"
# The tokenizer spells: a prompt shares letters with any name, so the far one is chosen to share none.


def test_random_states_have_the_targets_length_and_keep_away_from_it() -> None:
    # In a plane the cosine spreads; accepting by min(1, 1 - cosine) gives it the mean -(pi / 2) / (2 pi - 2).
    target = torch.tensor([[3.0, 4.0]])
    generator = torch.Generator().manual_seed(1)
    found = random_states(
        target,
        4000,
        lambda: torch.randn(target.shape, generator=generator),
        lambda: float(torch.rand((), generator=generator)),
    )
    norms = found.flatten(1).norm(dim=1)
    assert 4.0 <= float(norms.min()) < 4.05 and 5.95 < float(norms.max()) <= 6.0
    mean = float(torch.nn.functional.cosine_similarity(found.flatten(1), target.flatten()[None]).mean())
    assert mean == pytest.approx(-math.pi / (4 * math.pi - 4), abs=0.02)


def test_the_released_rows_leave_half_of_the_random_states_out() -> None:
    nothing, states = torch.zeros(2, 3), torch.arange(1.0, 6.0)[:, None, None].expand(5, 2, 3)
    assert interleaved(nothing, states)[:, 0, 0].tolist() == [0, 1, 0, 2, 0, 3, 0, 4, 0, 5]
    assert anchoring_states(nothing, states[:4], "as-released")[:, 0, 0].tolist() == [0, 3, 0, 4]
    assert anchoring_states(nothing, states, "as-released")[:, 0, 0].tolist() == [3, 0, 4, 0, 5]
    assert anchoring_states(nothing, states, "random") is states


def test_the_rate_warms_up_then_falls_three_times() -> None:
    run = {"iterations": 3000, "warmup": 3000 // WARM_UP_PART, "cycles": CYCLES}
    factors = [learning_rate_factor(step, **run) for step in range(3000)]
    assert factors[0] == 0.0 and factors[250] == 0.5 and factors[500] == 1.0
    restarts = [step for step in range(501, 3000) if factors[step] > factors[step - 1] + 0.5]
    assert restarts == [1334, 2167]
    assert min(factors) >= 0 and max(factors) <= 1
    # A run too short to warm up begins with the whole rate.
    assert learning_rate_factor(0, iterations=5, warmup=5 // WARM_UP_PART, cycles=CYCLES) == 1.0
    # Nothing is learnt after the end, where the cosines would start again.
    assert [learning_rate_factor(step, **run) for step in (3000, 3001, 4000)] == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("runs_as", "given"),
    [("paper", [958 - 33 * k for k in range(1, 30)]), ("as-released", [999 - 1000 * k // 30 for k in range(1, 30)])],
)
def test_the_network_is_told_the_level_of_the_latents_or_the_releases(runs_as: str, given: list[int]) -> None:
    pipeline = tiny_pipeline()
    states = TextStates(pipeline).encode([CONCEPT])
    runs = spm_runs(pipeline, states, states, SpmConfig(partial_runs=runs_as))  # type: ignore[arg-type]
    assert runs.given(torch.arange(29), torch.Generator()).tolist() == given
    # Never the pure noise: a network that answers with the latents changes them in every run.
    noise = torch.ones(1, 4, 8, 8)
    stopped = runs.run(lambda latents, timesteps, states: latents, noise, torch.tensor([0]), torch.tensor([0]))
    assert not torch.equal(stopped, noise)


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
    quirks = {"anchoring_rows": "as-released", "partial_runs": "as-released", "merging": "factors"}
    # One state is all that the release's rows of one hold.
    for world, more in ((PUBLISHED, {}), ("miniature", {"anchoring_states": 2})):
        default, released = (
            Spm.recipe(world=world, kind="person", n_concepts=10, variant=variant).model_dump()
            for variant in ("default", "as-released")
        )
        assert {name: value for name, value in released.items() if value != default[name]} == quirks | more
    with pytest.raises(UserError, match="no recipe 'released'"):
        Spm.recipe(world=PUBLISHED, kind="person", n_concepts=1, variant="released")


@pytest.mark.parametrize("quirk", [{"anchoring_rows": "as-released"}, {"partial_runs": "as-released"}])
def test_a_released_quirk_changes_the_training(tmp_path: Path, quirk: dict[str, str]) -> None:
    # Far enough from the start that a membrane moves something for the anchoring to see.
    small = SMALL.model_copy(update={"batch_size": 1})
    (_, paper), (_, released) = (
        erase(Spm(config), tmp_path / str(i), names=("Ada",))
        for i, config in enumerate((small, small.model_copy(update=quirk)))
    )
    assert paper.record["losses"] != released.record["losses"]


def test_the_released_rows_change_what_the_miniatures_recipe_learns(tmp_path: Path) -> None:
    recipe = Spm.recipe(world="miniature", kind="person", n_concepts=1, variant="as-released")
    assert isinstance(recipe, SpmConfig)
    short = recipe.model_copy(update={"steps": 6, "ddim_steps": 4, "pooled_runs": 2, "learning_rate": 1e-2})
    changes = []
    for rows in ("as-released", "random"):
        config = short.model_copy(update={"anchoring_rows": rows})
        _, erasure = erase(Spm(config), tmp_path / rows, names=("Ada",))
        assert isinstance(erasure.sampling, GatedAdapters)
        changes.append(erasure.sampling.tensors)
    assert any(not torch.equal(value, changes[1][name]) for name, value in changes[0].items())


def test_an_adapter_of_higher_rank_is_saved_with_the_scale_that_it_was_trained_with(tmp_path: Path) -> None:
    config = SMALL.model_copy(update={"rank": 2, "batch_size": 1, "steps": 2})
    _, erasure = erase(Spm(config), tmp_path, names=("Ada",))
    assert isinstance(erasure.sampling, GatedAdapters)
    trained = torch.load(tmp_path / "training" / "group-0.pt", weights_only=True)["parameters"]
    for name, value in erasure.sampling.tensors.items():
        torch.testing.assert_close(value, trained[name] / (2 if name.startswith("up.") else 1))


@pytest.mark.parametrize("after", [1, 3])
def test_a_killed_erasure_resumes_to_the_same_bits(tmp_path: Path, after: int) -> None:
    assert_resumes(lambda: Spm(SMALL.model_copy(update={"batch_size": 1})), tmp_path, "spm, group-1", after)
