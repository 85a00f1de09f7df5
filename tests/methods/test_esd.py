"""ESD: its target, the weights that each variant may touch, where its x_t come from, and resuming."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import EulerAncestralDiscreteScheduler, EulerDiscreteScheduler, PNDMScheduler
from torch import nn

from erasebench.api.method import load_method
from erasebench.errors import UserError
from erasebench.methods.esd import Esd, EsdConfig, EsdU, EsdX, EsdXStrict, esd_runs, stops_of
from erasebench.training.partial_runs import PartialRuns, own_scheduler
from tests.methods.closed_form import BLOCKS, SD_PROJECTIONS, sd_unet
from tests.methods.inference_time import states_of
from tests.methods.training_method import PUBLISHED, assert_resumes, erase, first_loss, touched, unet_names
from tests.tiny_model import tiny_pipeline

SMALL = EsdConfig(steps=4, ddim_steps=4, batch_size=2, learning_rate=1e-3, checkpoint_every=1)
SD_ATTN2 = {
    f"unet.{block}.transformer_blocks.0.attn2.{part}"
    for block in BLOCKS
    for part in ("to_q.weight", "to_k.weight", "to_v.weight", "to_out.0.weight", "to_out.0.bias")
}


def test_the_loss_is_the_distance_to_the_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = first_loss(EsdX(SMALL), tmp_path, monkeypatch, seed=5, names=("Ada", "Bo"))
    pipeline = tiny_pipeline()
    states = torch.cat([states_of(pipeline, "Ada"), states_of(pipeline, "Bo")])
    nothing = states_of(pipeline, "").expand(2, -1, -1)

    def eps(latents: torch.Tensor, t: torch.Tensor | int, c: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return pipeline.unet(latents, t, encoder_hidden_states=c).sample

    generator = torch.Generator().manual_seed(5)
    concepts = torch.randint(2, (2,), generator=generator)
    draw = PartialRuns(pipeline, states, nothing[:1], SMALL).source(eps, eps, torch.Generator())
    x, t = draw(concepts, generator)
    eps_none, eps_c = eps(x, t, nothing), eps(x, t, states[concepts])
    # At the original weights eps(x, c) is eps_0(x, c): the distance is (1 + eta) (eps_c - eps_none).
    torch.testing.assert_close(found, (2 * (eps_c - eps_none)).square().mean(), rtol=1e-3, atol=1e-12)


@pytest.mark.parametrize("release", ["paper", "newer", "first-release", "diffusers-2024"])
def test_a_text_to_erase_from_is_what_is_trained_and_where_the_target_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, release: str
) -> None:
    config = SMALL.model_copy(update={"erase_from": "a man", "partial_runs": release, "negative_guidance": 2.0})
    found = first_loss(EsdX(config), tmp_path, monkeypatch, seed=6, names=("Ada", "Bo"))
    pipeline = tiny_pipeline()
    states = torch.cat([states_of(pipeline, "Ada"), states_of(pipeline, "Bo")])
    nothing, start = states_of(pipeline, ""), states_of(pipeline, "a man")

    def eps(latents: torch.Tensor, t: torch.Tensor | int, c: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return pipeline.unet(latents, t, encoder_hidden_states=c).sample

    generator = torch.Generator().manual_seed(6)
    concepts = torch.randint(2, (2,), generator=generator)
    # x_t is run under the text, in the script of 2024 under the concept.
    prompts = states if release == "diffusers-2024" else start.expand(2, -1, -1)
    draw = PartialRuns(
        pipeline,
        prompts,
        nothing,
        config,
        stops=stops_of(config.partial_runs, 4, 1000),
        scheduler=PNDMScheduler.from_config(pipeline.scheduler.config) if release == "newer" else None,
    ).source(eps, eps, torch.Generator())
    x, t = draw(concepts, generator)
    # At the original weights the start's prediction is on both sides: eta (eps_c - eps_none) is left.
    away = 2 * (eps(x, t, states[concepts]) - eps(x, t, nothing.expand(2, -1, -1)))
    torch.testing.assert_close(found, away.square().mean(), rtol=1e-3, atol=1e-12)


def test_what_each_number_means_in_a_published_run_of_50_steps() -> None:
    timesteps = torch.arange(981, -20, -20)
    levels = {k: int(timesteps[1 + steps]) for k, steps in enumerate(stops_of("first-release", 50, 1000).steps)}
    assert levels == {0: -19, 1: -19} | {k: 20 * k - 39 for k in range(2, 50)}
    given = stops_of("first-release", 50, 1000).given
    assert given is not None and given.tolist() == [[20 * k, 20 * k + 20] for k in range(50)]

    script = stops_of("diffusers-2024", 50, 1000)
    assert script.steps.tolist() == list(range(1, 48)) and script.dropped == 0
    assert script.given is not None and script.given.tolist() == [[1000 - 20 * k, 1001 - 20 * k] for k in range(1, 48)]
    for release in ("paper", "newer"):
        plain = stops_of(release, 50, 1000)  # type: ignore[arg-type]
        assert (plain.steps.tolist(), plain.given, plain.dropped) == (list(range(50)), None, 0)


@pytest.mark.parametrize("n", [2, 3, 4, 12, 30])
@pytest.mark.parametrize("release", ["first-release", "diffusers-2024"])
def test_runs_of_another_length_stay_within_their_schedule(release: str, n: int) -> None:
    stops = stops_of(release, n, 1000)  # type: ignore[arg-type]
    assert stops.given is not None and len(stops.given) == len(stops.steps) > 0
    assert (stops.steps >= 1).all() and (stops.steps + stops.dropped <= n).all()
    assert (stops.given[:, 0] < stops.given[:, 1]).all() and (stops.given >= 0).all() and (stops.given <= 1000).all()


def test_the_newer_runs_use_the_scheduler_that_the_model_was_saved_with() -> None:
    pipeline = tiny_pipeline()
    config = SMALL.model_copy(update={"partial_runs": "newer", "ddim_steps": 5})
    states = states_of(pipeline, "Ada")
    runs = esd_runs(pipeline, states, states, None, config)
    assert isinstance(own_scheduler(pipeline), PNDMScheduler) and own_scheduler(pipeline) is not pipeline.scheduler
    # PNDM takes its second timestep twice.
    assert runs.given(torch.arange(5), torch.Generator()).tolist() == [801, 601, 601, 401, 201]
    pipeline.scheduler = EulerAncestralDiscreteScheduler.from_config(pipeline.scheduler.config)
    # Asked before anything is painted.
    for refused in (
        lambda: esd_runs(pipeline, states, states, None, config),
        lambda: EsdX(config).check_model(pipeline),
    ):
        with pytest.raises(UserError, match=r"EulerAncestralDiscreteScheduler is not one of.*\nSet partial_runs=paper"):
            refused()
    EsdX(SMALL).check_model(pipeline)
    pipeline.scheduler = EulerDiscreteScheduler.from_config(pipeline.scheduler.config)
    EsdX(config).check_model(pipeline)


def test_a_model_that_predicts_the_image_is_refused_with_newer_runs_too() -> None:
    pipeline = tiny_pipeline()
    pipeline.scheduler.register_to_config(prediction_type="sample")
    with pytest.raises(UserError, match="predicts 'sample'"):
        EsdX(SMALL.model_copy(update={"partial_runs": "newer"})).check_model(pipeline)


@pytest.mark.parametrize("text", ["", "  "])
def test_a_blank_text_to_erase_from_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"not a text to erase from.\nLeave it out, or give the text"):
        EsdConfig(erase_from=text)
    assert EsdConfig(erase_from="a man").erase_from == "a man" and EsdConfig().erase_from is None


@pytest.mark.parametrize(
    ("method", "names"),
    [
        (EsdX(EsdConfig()), SD_ATTN2),
        (EsdXStrict(EsdConfig()), SD_PROJECTIONS),
    ],
)
def test_what_reads_the_text_is_tuned_and_nothing_else(method: Esd, names: set[str]) -> None:
    assert touched(method, sd_unet()) == names
    assert not method.edits("text_encoder.encoder.layers.0.self_attn.k_proj.weight")


def test_esd_u_of_the_first_release_is_the_rest_but_time_and_output() -> None:
    spared = {
        *(f"unet.time_embedding.linear_{i}.{part}" for i in (1, 2) for part in ("weight", "bias")),
        *(f"unet.{layer}.{part}" for layer in ("conv_norm_out", "conv_out") for part in ("weight", "bias")),
    }
    unet = sd_unet()
    assert len(unet_names(unet)) == 686
    assert touched(EsdU(EsdConfig()), unet) == unet_names(unet) - SD_ATTN2 - spared


def test_esd_u_of_the_newer_release_is_every_linear_and_conv_outside_attn2() -> None:
    unet = sd_unet()
    layers = {
        f"unet.{name}.{part}"
        for name, module in unet.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d) and "attn2" not in name
        for part, _ in module.named_parameters(recurse=False)
    }
    method = EsdU(EsdU.recipe(world=PUBLISHED, kind="person", n_concepts=1, variant="newer"))
    assert touched(method, unet) == layers
    assert "unet.conv_out.weight" in layers
    assert not method.edits("text_encoder.final_layer_norm.weight")
    assert not method.edits("text_encoder.encoder.layers.0.mlp.fc1.weight")


@pytest.mark.parametrize("variant", [EsdX, EsdXStrict, EsdU])
def test_the_erasure_holds_tuned_weights_alone(tmp_path: Path, variant: type[Esd]) -> None:
    workspace, erasure = erase(variant(SMALL), tmp_path)
    unet = workspace.pipeline.unet
    assert set(erasure.tensors) <= touched(variant(SMALL), unet)
    assert len(erasure.tensors) > len(touched(variant(SMALL), unet)) / 2
    assert len(erasure.record["losses"]) == 4
    assert not workspace.sampled


def test_it_moves_the_prediction_away_from_the_concept(tmp_path: Path) -> None:
    config = SMALL.model_copy(update={"steps": 60, "batch_size": 8, "pooled_runs": 8, "learning_rate": 3e-3})
    _, erasure = erase(EsdX(config), tmp_path, names=("Ada Thorne",))
    losses = erasure.record["losses"]
    assert sum(losses[-10:]) < 0.5 * sum(losses[:10])


@pytest.mark.parametrize("after", [1, 3])
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"pooled_runs": 4},
        {"runs_by": "original", "partial_runs": "newer"},
        {"partial_runs": "first-release"},
        {"partial_runs": "diffusers-2024", "pooled_runs": 4, "erase_from": "a man"},
    ],
    ids=["own", "pool", "newer", "first-release", "pool-of-2024"],
)
def test_a_killed_erasure_resumes_to_the_same_bits(tmp_path: Path, after: int, more: dict[str, object]) -> None:
    assert_resumes(lambda: EsdX(SMALL.model_copy(update=more)), tmp_path, "esd-x", after)


def test_recipes_are_the_releases() -> None:
    published = EsdX.recipe(world=PUBLISHED, kind="style", n_concepts=10)
    assert isinstance(published, EsdConfig)
    assert (published.steps, published.learning_rate, published.batch_size) == (1000, 1e-5, 1)
    assert (published.ddim_steps, published.start_guidance, published.runs_by) == (50, 3.0, "tuned")
    newer = EsdX.recipe(world=PUBLISHED, kind="style", n_concepts=10, variant="newer")
    assert isinstance(newer, EsdConfig)
    assert (newer.steps, newer.learning_rate, newer.runs_by) == (200, 5e-5, "original")
    assert (newer.partial_runs, newer.negative_guidance, newer.unconditional_weights) == ("newer", 1.0, "newer")
    first = EsdX.recipe(world=PUBLISHED, kind="style", n_concepts=10, variant="as-released")
    assert first == published.model_copy(update={"partial_runs": "first-release"})
    script = EsdX.recipe(world=PUBLISHED, kind="style", n_concepts=10, variant="diffusers-2024")
    assert isinstance(script, EsdConfig)
    assert (script.steps, script.learning_rate, script.runs_by, script.negative_guidance) == (200, 2e-5, "tuned", 2.0)
    assert (script.partial_runs, script.unconditional_weights) == ("diffusers-2024", "newer")
    with pytest.raises(UserError, match=r"no recipe 'newest'.\nAvailable: as-released, default, diffusers-2024, newer"):
        EsdX.recipe(world=PUBLISHED, kind="style", n_concepts=10, variant="newest")


def test_esd_is_another_name_for_esd_x() -> None:
    assert load_method("esd") is load_method("esd-x")
    assert load_method("esd").name == "esd-x"


@pytest.mark.parametrize("method", [EsdX, EsdXStrict, EsdU])
@pytest.mark.parametrize("kind", ["object", "person", "style", "explicit"])
def test_the_miniatures_other_recipes_are_its_default_with_a_releases_runs(method: type[Esd], kind: str) -> None:
    def changes(variant: str) -> dict[str, object]:
        default, other = (
            method.recipe(world="miniature", kind=kind, n_concepts=2, variant=each).model_dump()  # type: ignore[arg-type]
            for each in ("default", variant)
        )
        return {name: value for name, value in other.items() if value != default[name]}

    assert changes("as-released") == {"partial_runs": "first-release"}
    assert changes("newer") == {"partial_runs": "newer", "runs_by": "original", "unconditional_weights": "newer"}
    script = {"partial_runs": "diffusers-2024", "unconditional_weights": "newer", "negative_guidance": 2.0}
    default = method.recipe(world="miniature", kind=kind, n_concepts=2)  # type: ignore[arg-type]
    assert isinstance(default, EsdConfig)
    if default.negative_guidance == 2.0:
        del script["negative_guidance"]
    assert changes("diffusers-2024") == script
