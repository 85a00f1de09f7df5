"""The shared formulas on numbers that can be checked by hand."""

from __future__ import annotations

import pytest
import torch

from erasebench.training.images import NoisedImages
from erasebench.training.objectives import denoising_loss, guided, guided_away
from tests.methods.training_method import linear

X = NoisedImages(torch.full((1, 1, 1, 1), 2.0), torch.tensor([5]), torch.full((1, 1, 1, 1), 0.5))
CONCEPT, OTHER = torch.full((1, 1, 1), 3.0), torch.full((1, 1, 1), 1.0)


def test_guidance_goes_on_from_the_empty_prompt_through_the_concept() -> None:
    none, concept = torch.tensor([1.0, -2.0]), torch.tensor([3.0, -2.5])
    assert guided(none, concept, 0.0).tolist() == none.tolist()
    assert guided(none, concept, 7.5).tolist() == [16.0, -5.75]
    # Ho and Salimans write it with w = s - 1.
    torch.testing.assert_close(guided(none, concept, 7.5), 7.5 * concept - 6.5 * none)


def test_the_target_leads_away_from_the_concept() -> None:
    start, concept = torch.tensor([1.0, -2.0, 0.5]), torch.tensor([3.0, -2.5, 0.5])
    assert guided_away(start, concept, 1.0).tolist() == [-1.0, -1.5, 0.5]
    assert guided_away(start, concept, 0.5).tolist() == [0.0, -1.75, 0.5]
    # Away from the concept as it differs from nothing, from another start.
    away = guided_away(start, concept, 2.0, torch.tensor([2.0, -2.0, 1.5]))
    assert away.tolist() == [-1.0, -1.0, 2.5]
    # ESD's newer release writes the same eta = 1 as eps_c - 2 (eps_c - eps_none).
    torch.testing.assert_close(guided_away(start, concept, 1.0), concept - 2 * (concept - start))


def test_denoising_is_the_distance_to_the_noise() -> None:
    weight = torch.tensor(1.0, requires_grad=True)
    loss = denoising_loss(linear(weight), X, OTHER)
    loss.backward()  # type: ignore[no-untyped-call]
    assert weight.grad is not None
    assert (float(loss.detach()), float(weight.grad)) == (pytest.approx(2.25), pytest.approx(2 * 1.5 * 2))
