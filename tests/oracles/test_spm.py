"""SPM's adapters, loss, gate and merge, held to the numbers of its official code."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from torch import Tensor, nn

from erasebench.editing.adapters import change, fresh_adapters, transformer_layers, uniform_down
from erasebench.methods.spm import Spm, SpmConfig
from erasebench.methods.spm.gates import cosines, opening, token_overlap
from erasebench.methods.spm.objective import (
    adapter_scale,
    anchoring_states,
    interleaved,
    learning_rate_factor,
    losses,
    random_states,
    spm_runs,
)
from erasebench.testing.oracle import Case
from erasebench.training.partial_runs import Noised
from tests.oracles.channel_unet import ChannelUnet, packed, weights_of
from tests.oracles.listing import cases, each, each_differs
from tests.oracles.small_unet import small_unet

CASES = cases(
    "spm",
    {
        "layers": lambda case: "names" in case,
        "rows": lambda case: "normals" in case,
        "step": lambda case: "x_T" in case and "R" not in case,
        "step-sdxl": lambda case: "x_T" in case and "R" in case,
        "gate": lambda case: "overlap" in case,
        "merge": lambda case: "change_as_released" in case,
        "rate": lambda case: "factor" in case,
    },
)
TOLERANCE, TOLERANCE_X = 1e-9, 1e-6
CONFIG = SpmConfig.model_validate(
    Spm.recipe(world="stable-diffusion-v1-4", kind="style", n_concepts=1, variant="as-released").model_dump()
)


@each(CASES["layers"])
def test_every_layer_of_the_transformers_has_an_adapter_that_starts_as_released(case: Case) -> None:
    names, fan_in = case["names"], case["fan_in"]
    unet = small_unet(names, dict(zip(names, fan_in.tolist(), strict=True)))
    assert sorted(transformer_layers(unet)) == sorted(names)
    generator = torch.Generator().manual_seed(1)
    weights = fresh_adapters(unet, 1, [generator])
    down = [weights[f"down.{name}"].detach() for name in names]
    case.check(
        {
            "fan_in": torch.tensor([drawn[0].numel() for drawn in down]),
            "up_is_zero": torch.tensor([not weights[f"up.{name}"].any() for name in names]),
            # No other array tells the rank; alpha is 1.
            "scale": torch.tensor(
                [adapter_scale(round(1 / scale)) for scale in case["scale"].tolist()], dtype=torch.float64
            ),
        },
        tolerance=0,
    )
    bounds = fan_in.double().rsqrt()
    assert all(float(drawn.abs().max()) <= bound for drawn, bound in zip(down, bounds, strict=True))
    assert bool((case["largest"] <= bounds).all())
    # Uniform up to that bound: the mean size is half of it, by a sample of these many.
    shares = torch.cat([drawn.flatten() / bound for drawn, bound in zip(down, bounds, strict=True)])
    assert_half(shares)
    for symbol in ("A_linear", "A_conv"):
        official = case[symbol]
        bound = official[0].numel() ** -0.5
        ours = uniform_down(official.shape, generator)
        assert ours.dtype == official.dtype and float(ours.abs().max()) <= bound
        for drawn in (official, ours):
            assert_half(drawn / bound)


def assert_half(shares: Tensor) -> None:
    """Whether sizes uniform in [0, 1] could have this mean: six standard errors."""
    sizes = shares.abs().double()
    assert float(sizes.mean()) == pytest.approx(0.5, abs=6 * (12 * sizes.numel()) ** -0.5)


@each(CASES["rows"])
def test_the_anchoring_rows_of_these_draws(case: Case) -> None:
    uniforms = iter(case["uniforms"].tolist())
    found = {}
    # SDXL's pooled states are drawn after all text states, from draws of their own.
    for prefix in ("", "pooled_") if "pooled_normals" in case else ("",):
        target, nothing, normals = case[f"{prefix}target"][0], case[f"{prefix}nothing"][0], case[f"{prefix}normals"]
        draws = iter(normals[:, 0])
        rows = f"{prefix}rows"
        far = random_states(target, len(case[rows]) // 2, lambda draws=draws: next(draws), lambda: next(uniforms))
        assert next(draws, None) is None
        found[rows] = interleaved(nothing, far)
    assert next(uniforms, None) is None
    case.check(found, tolerance=TOLERANCE)


def model(latents: Tensor) -> StableDiffusionPipeline:
    """What partial runs ask of a pipeline: the release's scheduler, and a network for such latents."""
    scheduler = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    sizes = {"sample_size": latents.shape[-1], "in_channels": latents.shape[1]}
    unet = SimpleNamespace(config=sizes, device=latents.device)
    return cast(StableDiffusionPipeline, SimpleNamespace(unet=unet, scheduler=scheduler))


def network(case: Case, *, adapted: bool) -> ChannelUnet:
    def adapter(mean: Tensor) -> Tensor:
        gates = torch.ones(len(mean), len(case["down"]), dtype=mean.dtype)
        return change(nn.Linear(1, 1), mean, case["down"], case["up"], gates)

    return ChannelUnet(weights_of(case, ""), adapter if adapted else None)


def states_of(case: Case, symbol: str) -> Tensor:
    """Text states [n, tokens, d], with the pooled texts where the case has them."""
    pooled = f"pooled_{symbol}"
    return packed(case[symbol], case[pooled]) if pooled in case else case[symbol]


def check_run(case: Case) -> None:
    """The timestep that the network is given, and x_t of the run under the adapter."""
    images = len(case["x_T"])
    runs = spm_runs(model(case["x_T"]), states_of(case, "target"), states_of(case, "nothing"), CONFIG)
    # The stops begin with one step done.
    stops = torch.full((images,), case["steps_done"] - 1)
    t_given = runs.given(stops, torch.Generator())
    case.check({"t_told": float(t_given[0])}, tolerance=0)
    x_t = runs.run(network(case, adapted=True), case["x_T"], stops, torch.zeros(images, dtype=torch.long))
    case.check({"x_t": x_t}, tolerance=TOLERANCE_X)


def check_losses(case: Case) -> None:
    """Everything else about a step, in the order in which it comes about.

    From the official x_t on, which the scheduler's float32 table keeps from being equal.
    """
    images, found = len(case["x_t"]), dict[str, Tensor | float]()
    c, n = (states_of(case, symbol).expand(images, -1, -1) for symbol in ("target", "anchor"))
    rows = None
    if "rows" in case:
        for prefix in ("", "pooled_") if "pooled_rows" in case else ("",):
            found[f"{prefix}rows"] = interleaved(case[f"{prefix}nothing"][0], case[f"{prefix}rows"][1::2])
        rows = anchoring_states(states_of(case, "nothing")[0], states_of(case, "rows")[1::2], CONFIG.anchoring_rows)
    given = Noised(case["x_t"], torch.full((images,), case["t_told"]))
    all_of_it = losses(network(case, adapted=True), network(case, adapted=False), given, c, n, rows, case["eta"])
    found |= {symbol: getattr(all_of_it, symbol) for symbol in ("eps_c", "eps_n", "eps_adapted")}
    found["loss_erase"] = all_of_it.erasing.mean()
    if all_of_it.anchoring_adapted is not None and all_of_it.anchoring_original is not None:
        found["anchoring_adapted"] = all_of_it.anchoring_adapted
        found["anchoring_original"] = all_of_it.anchoring_original
        found["loss_anchoring"] = all_of_it.anchoring.mean()
    case.check(found | {"loss": all_of_it.total(case["anchoring_weight"]).mean()}, tolerance=TOLERANCE)


@each(CASES["step"])
def test_a_run_up_to_a_step(case: Case) -> None:
    check_run(case)


@each_differs(CASES["step-sdxl"], "SDXL's run rescales its guidance: no such setting yet")
def test_a_run_up_to_a_step_of_sdxl(case: Case) -> None:
    check_run(case)


@each([*CASES["step"], *CASES["step-sdxl"]])
def test_a_training_step(case: Case) -> None:
    check_losses(case)


@each(CASES["gate"])
def test_a_gate_is_the_larger_of_cosine_and_overlap(case: Case) -> None:
    cosine = cosines(case["states_prompt"], case["states_concepts"])
    # The release gives every prompt of a batch the overlap of the first.
    prompt, special = case["tokens_prompt"][0].tolist(), case["special"].tolist()
    overlap = torch.tensor(
        [token_overlap(prompt, concept, special) for concept in case["tokens_concepts"].tolist()], dtype=torch.float64
    )
    gate = opening(cosine, overlap, torch.zeros_like(overlap))
    found: dict[str, Any] = {"cosine": cosine, "overlap": overlap, "gate": gate}
    case.check({symbol: value.reshape(case[symbol].shape) for symbol, value in found.items()}, tolerance=TOLERANCE)


@each(CASES["merge"])
def test_gated_adapters_of_several_concepts_merge_as_released(case: Case) -> None:
    rank, x = case["A"].shape[1], case["x"]
    down, up = case["A"].flatten(0, 1), case["B"].movedim(0, 1).flatten(1)
    gates = case["gates"].repeat_interleave(rank).expand(len(x), -1)
    layer = nn.Linear(down.shape[1], up.shape[0])
    case.check({"change_as_released": change(layer, x, down, up, gates, merged=rank)}, tolerance=TOLERANCE)


@each(CASES["rate"])
def test_the_learning_rate_warms_up_from_nothing_and_falls_in_cosines(case: Case) -> None:
    run = {symbol: case[symbol] for symbol in ("iterations", "warmup", "cycles")}
    factors = [learning_rate_factor(i, **run) for i in range(len(case["factor"]))]
    case.check({"factor": torch.tensor(factors, dtype=torch.float64)}, tolerance=TOLERANCE)
