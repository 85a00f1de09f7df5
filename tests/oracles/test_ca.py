"""Concept Ablation's losses, start token and parameters, held to the numbers of its official code."""

from __future__ import annotations

import torch
from diffusers import DDIMScheduler
from diffusers.models.attention_processor import Attention
from torch import Tensor

from erasebench.methods.ca import ConceptAblation, ConceptAblationConfig
from erasebench.methods.ca.config import Variant
from erasebench.methods.ca.objective import ablation_loss, ablation_target, with_prior
from erasebench.methods.ca.start_token import start_token_detached
from erasebench.testing.oracle import Case
from erasebench.training.images import NoisedImages, noised_latents
from erasebench.training.objectives import denoising_loss
from tests.oracles.channel_unet import ChannelUnet, weights_of
from tests.oracles.listing import cases, each
from tests.oracles.small_unet import small_unet

CASES = cases(
    "ca",
    {
        "loss": lambda case: "x_t" in case,
        "start-token": lambda case: "heads" in case,
        "parameters": lambda case: "full-weight" in case,
    },
)
TOLERANCE, TOLERANCE_X = 1e-9, 1e-6
WEIGHTS = {"cross-attn": "keys-and-values", "attn": "attention", "full-weight": "unet"}


@each(CASES["loss"])
def test_the_loss(case: Case) -> None:
    eps = ChannelUnet(weights_of(case, ""))
    weight = eps.weights["Q"].requires_grad_()
    scheduler = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    noised = noised_latents(case["x0"], case["timesteps"], case["noise"], scheduler)
    case.check({"x_t": noised.latents}, tolerance=TOLERANCE_X)

    concept, anchor, erased = case["concept"], case["anchor"], len(case["concept"])
    # The anchor's own images, which the prior is for, are the second half.
    x, y = (
        NoisedImages(*(case[symbol][half] for symbol in ("x_t", "timesteps", "noise")))
        for half in (slice(erased), slice(erased, None))
    )
    variant: Variant = "noise-based" if torch.equal(case["target"], x.noise) else "model-based"
    mask = case["mask"][:erased]
    found: dict[str, Tensor | float] = {
        "target": ablation_target(eps, x, anchor, variant),
        "prediction": eps(x.latents, x.timesteps, concept),
    }
    # A mask of ones is the method's None.
    loss = ablation_loss(eps, x, concept, anchor, variant, None if bool((mask == 1).all()) else mask)
    if case["prior_weight"] > 0:
        found["prior_loss"] = denoising_loss(eps, y, anchor)
        loss = with_prior(loss, eps, y, anchor, case["prior_weight"])
    (gradient,) = torch.autograd.grad(loss, weight)
    case.check({**found, "loss": loss, "gradient_of_Q": gradient}, tolerance=TOLERANCE)


@each(CASES["start-token"])
def test_the_start_tokens_keys_and_values_get_no_gradient(case: Case) -> None:
    width, heads = len(case["W_to_q_weight"]), case["heads"]
    attention = Attention(
        case["x"].shape[-1], case["states"].shape[-1], heads=heads, dim_head=width // heads, bias=False
    ).double()
    attention.load_state_dict(
        {name: case[f"W_{name.replace('.', '_')}"] for name in attention.state_dict()}, strict=True
    )
    with start_token_detached([attention.to_k, attention.to_v]):
        y = attention(case["x"], encoder_hidden_states=case["states"])
    gradients = torch.autograd.grad(y, [attention.to_k.weight, attention.to_v.weight], case["gradient_of_y"])
    case.check({"y": y, "gradient_of_K": gradients[0], "gradient_of_V": gradients[1]}, tolerance=TOLERANCE)


@each(CASES["parameters"])
def test_the_parameters_that_are_tuned(case: Case) -> None:
    unet = small_unet(case["full-weight"])
    for group, weights in WEIGHTS.items():
        method = ConceptAblation(ConceptAblationConfig(weights=weights))
        tuned = [name for name, _ in unet.named_parameters() if method.edits(f"unet.{name}")]
        assert sorted(tuned) == sorted(case[group]), group
