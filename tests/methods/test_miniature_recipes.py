"""The miniature's recipes of the methods that train or steer: there for every kind and scale, and scaled as said."""

from __future__ import annotations

from typing import get_args

import pytest

from erasebench.api.concepts import Kind
from erasebench.api.method import load_method
from erasebench.training.config import TrainingConfig

TRAINED = ("ca", "esd-u", "esd-x", "esd-x-strict", "fmn", "salun", "spm")
STEERED = ("np", "sld-max", "sld-medium", "sld-strong", "sld-weak")


# By hand from methods/tuning.csv, trials on ten people: steps and rate in the miniature, and the release's own.
PEOPLE = {
    "ca": (60, 0.0006, 100, 1.6e-05),
    "esd-u": (60, 0.0007, 1000, 1e-05),
    "esd-x": (60, 0.0015, 1000, 1e-05),
    "esd-x-strict": (60, 0.002, 1000, 1e-05),
    "fmn": (60, 0.0001, 350, 2e-06),
    "salun": (40, 0.0006, 500, 1e-05),
    "spm": (70, 0.02, 3000, 1e-04),
}


@pytest.mark.parametrize("name", TRAINED)
def test_the_recipe_for_ten_people_is_the_chosen_one(name: str) -> None:
    method = load_method(name)
    scaled = method.recipe(world="miniature", kind="person", n_concepts=10)
    published = method.recipe(world="stable-diffusion-v1-4", kind="person", n_concepts=10)
    assert isinstance(published, TrainingConfig) and isinstance(scaled, TrainingConfig)
    assert (scaled.steps, scaled.learning_rate, published.steps, published.learning_rate) == PEOPLE[name]


@pytest.mark.parametrize("n_concepts", [1, 5, 10, 100])
@pytest.mark.parametrize("kind", get_args(Kind))
@pytest.mark.parametrize("name", TRAINED)
def test_no_recipe_of_the_miniature_takes_long_or_changes_the_optimiser(name: str, kind: Kind, n_concepts: int) -> None:
    method = load_method(name)
    published = method.recipe(world="stable-diffusion-v1-4", kind=kind, n_concepts=n_concepts)
    scaled = method.recipe(world="miniature", kind=kind, n_concepts=n_concepts)
    assert isinstance(published, TrainingConfig) and isinstance(scaled, TrainingConfig)
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
