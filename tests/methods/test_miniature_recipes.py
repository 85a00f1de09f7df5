"""The miniature's recipes of the methods that train or steer: there for every kind and scale, and scaled as said."""

from __future__ import annotations

from typing import get_args

import pytest

from erasebench.api.concepts import Kind
from erasebench.api.method import load_method
from erasebench.results.recipes import chosen_settings
from erasebench.training.config import TrainingConfig

TRAINED = ("ca", "esd-u", "esd-x", "esd-x-strict", "fmn", "salun", "spm")
STEERED = ("np", "sld-max", "sld-medium", "sld-strong", "sld-weak")


@pytest.mark.parametrize("n_concepts", [1, 5, 10, 100])
@pytest.mark.parametrize("kind", get_args(Kind))
@pytest.mark.parametrize("name", TRAINED)
def test_the_rate_is_the_chosen_one_or_makes_up_for_fewer_steps(name: str, kind: Kind, n_concepts: int) -> None:
    method = load_method(name)
    published = method.recipe(world="stable-diffusion-v1-4", kind=kind, n_concepts=n_concepts)
    scaled = method.recipe(world="miniature", kind=kind, n_concepts=n_concepts)
    assert isinstance(published, TrainingConfig) and isinstance(scaled, TrainingConfig)
    untried = pytest.approx(published.steps * published.learning_rate / scaled.steps)
    assert scaled.learning_rate == chosen_settings(name, kind).get("learning_rate", untried)
    assert scaled.steps <= 70
    assert (scaled.weight_decay, scaled.gradient_clip) == (published.weight_decay, published.gradient_clip)


@pytest.mark.parametrize("kind", get_args(Kind))
@pytest.mark.parametrize("name", STEERED)
def test_steering_follows_the_worlds_steps_by_itself(name: str, kind: Kind) -> None:
    method = load_method(name)
    published = method.recipe(world="stable-diffusion-v1-4", kind=kind, n_concepts=10)
    assert method.recipe(world="miniature", kind=kind, n_concepts=10) == published


@pytest.mark.parametrize("name", [*TRAINED, *STEERED])
def test_every_kind_is_erased(name: str) -> None:
    assert load_method(name).kinds == set(get_args(Kind))
