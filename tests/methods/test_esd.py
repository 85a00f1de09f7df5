"""ESD: its target, the weights that each variant may touch, where its x_t come from, and resuming."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from erasebench.errors import UserError
from erasebench.methods.esd import Esd, EsdConfig, EsdU, EsdX, EsdXStrict
from erasebench.registry import load_method
from erasebench.training.partial_runs import PartialRuns
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


@pytest.mark.parametrize(
    ("method", "names"),
    [
        (EsdX(EsdConfig()), SD_ATTN2),
        (EsdXStrict(EsdConfig()), SD_PROJECTIONS),
    ],
)
def test_what_reads_the_text_is_tuned_and_nothing_else(method: Esd, names: set[str]) -> None:
    assert touched(method, sd_unet()) == names
    assert not method.touches("text_encoder.encoder.layers.0.self_attn.k_proj.weight")


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
    assert not method.touches("text_encoder.final_layer_norm.weight")
    assert not method.touches("text_encoder.encoder.layers.0.mlp.fc1.weight")


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
@pytest.mark.parametrize("more", [{}, {"pooled_runs": 4}, {"runs_by": "original"}], ids=["own", "pool", "original"])
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
    with pytest.raises(UserError, match="no recipe 'newest'.\nAvailable: default, newer"):
        EsdX.recipe(world=PUBLISHED, kind="style", n_concepts=10, variant="newest")


def test_esd_is_another_name_for_esd_x() -> None:
    assert load_method("esd") is load_method("esd-x")
    assert load_method("esd").name == "esd-x"
