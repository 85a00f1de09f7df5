"""Closed-form fusion against brute force, and its limits."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import torch
from torch import Tensor

from erasebench.errors import UserError
from erasebench.methods.mace import MaceConfig
from erasebench.methods.mace.fusion import add_naively, fuse
from erasebench.methods.mace.lora import Lora
from erasebench.methods.mace.prompts import Prior

D, OUT, NAMES = 20, 12, ("a.to_k", "a.to_v")


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def lora(seed: int, rank: int = 1) -> Lora:
    return Lora(
        {name: random(rank, D, seed=seed + i) for i, name in enumerate(NAMES)},
        {name: random(OUT, rank, seed=seed + 50 + i) for i, name in enumerate(NAMES)},
    )


def weights(seed: int) -> dict[str, Tensor]:
    return {name: random(OUT, D, seed=seed + i) for i, name in enumerate(NAMES)}


def prior(kept: Tensor) -> Prior:
    return Prior(kept.T @ kept, {})


NO_PRIOR = prior(torch.zeros(1, D, dtype=torch.float64))


def test_it_equals_brute_force_least_squares() -> None:
    original, refined = weights(0), weights(10)
    states = [random(2, 9, D, seed=20 + i) for i in range(3)]
    loras = [lora(100 + 10 * i, rank=1 + i % 2) for i in range(3)]
    kept = random(50, D, seed=30)
    config = MaceConfig(prior_weight_fusion=0.2, ridge_fusion=0.4)
    fused, condition = fuse(original, refined, zip(states, loras, strict=True), prior(kept), config)
    for name in NAMES:
        ridge = 0.4**0.5 * torch.eye(D, dtype=torch.float64)
        inputs, outputs = [ridge, 0.2**0.5 * kept], [ridge @ refined[name].T, 0.2**0.5 * kept @ original[name].T]
        for tokens, own in zip(states, loras, strict=True):
            inputs.append(tokens.flatten(0, 1))
            outputs.append(tokens.flatten(0, 1) @ (refined[name] + own.up[name] @ own.down[name]).T)
        brute_force = torch.linalg.lstsq(torch.cat(inputs), torch.cat(outputs)).solution.T
        assert float((fused[name] - brute_force).norm() / brute_force.norm()) < 1e-8
    assert condition > 1


def test_one_lora_without_prior_is_reproduced_on_the_tokens_it_saw() -> None:
    original, refined, own = weights(0), weights(10), lora(100)
    states = random(3, 4, D, seed=40)  # twelve tokens in twenty dimensions
    tokens = states.flatten(0, 1)
    ridge = 1e-8 * float((tokens.T @ tokens).trace()) / D
    config = MaceConfig(prior_weight_fusion=0.0, ridge_fusion=ridge)
    fused, _ = fuse(original, refined, [(states, own)], NO_PRIOR, config)
    for name in NAMES:
        expected = tokens @ (refined[name] + own.up[name] @ own.down[name]).T
        assert float((tokens @ fused[name].T - expected).norm() / expected.norm()) < 1e-6
        # Off the tokens' span nothing is asked, so the refined weights stay.
        elsewhere = torch.linalg.qr(tokens.T, mode="complete").Q[:, 12:]
        torch.testing.assert_close(fused[name] @ elsewhere, refined[name] @ elsewhere, rtol=0, atol=1e-6)


def test_a_heavy_prior_restores_the_original_weights() -> None:
    original, refined = weights(0), weights(10)
    config = MaceConfig(prior_weight_fusion=1e8, ridge_fusion=1.0)
    kept = prior(random(50, D, seed=30))
    fused, _ = fuse(original, refined, [(random(2, 9, D, seed=20), lora(100))], kept, config)
    for name in NAMES:
        torch.testing.assert_close(fused[name], original[name], rtol=0, atol=1e-5)


def test_a_singular_fusion_names_the_settings_that_mend_it() -> None:
    config = MaceConfig(prior_weight_fusion=0.0, ridge_fusion=0.0)
    states: Iterable[tuple[Tensor, Lora]] = [(random(1, 3, D, seed=1), lora(100))]
    with pytest.raises(UserError) as caught:
        fuse(weights(0), weights(10), states, NO_PRIOR, config)
    assert "ridge_fusion" in caught.value.hint


def test_the_naive_sum_adds_every_lora_everywhere() -> None:
    refined, loras = weights(10), [lora(100), lora(200)]
    total = add_naively(refined, loras)
    for name in NAMES:
        expected = refined[name] + sum(own.up[name] @ own.down[name] for own in loras)
        torch.testing.assert_close(total[name], expected)
