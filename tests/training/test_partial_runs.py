"""x_t on the way: the same latents that a whole DDIM run passes through, each stopped where it was drawn to stop."""

from __future__ import annotations

import pytest
import torch
from diffusers import DDIMScheduler, EulerDiscreteScheduler, PNDMScheduler, StableDiffusionPipeline
from torch import Tensor

from erasebench.training.config import PartialRunConfig
from erasebench.training.partial_runs import PartialRuns, Predict, Stops
from tests.tiny_model import tiny_pipeline

STATES = torch.randn(3, 77, 32, generator=torch.Generator().manual_seed(3))
NOTHING = torch.randn(1, 77, 32, generator=torch.Generator().manual_seed(4))


@pytest.fixture(scope="module")
def pipeline() -> StableDiffusionPipeline:
    return tiny_pipeline()


def eps(latents: Tensor, timesteps: Tensor | int, states: Tensor) -> Tensor:
    """A stand-in for the U-Net in which each image depends on its own latents and text alone."""
    return 0.1 * latents + states.mean(dim=(1, 2))[:, None, None, None] + float(torch.as_tensor(timesteps).max()) / 1000


def by_hand(
    pipeline: StableDiffusionPipeline, noise: Tensor, state: Tensor, steps: int, stop: int
) -> tuple[Tensor, int]:
    scheduler = DDIMScheduler.from_config(pipeline.scheduler.config, clip_sample=False)
    scheduler.set_timesteps(steps)
    latents = noise[None]
    for timestep in scheduler.timesteps[:stop]:
        without, with_concept = eps(latents, timestep, NOTHING), eps(latents, timestep, state[None])
        latents = scheduler.step(without + 3.0 * (with_concept - without), timestep, latents).prev_sample
    return latents[0], int(scheduler.timesteps[stop])


@pytest.mark.parametrize("pooled_runs", [0, 7])
def test_every_latent_is_its_own_run_stopped_on_the_way(pipeline: StableDiffusionPipeline, pooled_runs: int) -> None:
    config = PartialRunConfig(ddim_steps=5, pooled_runs=pooled_runs)
    runs = PartialRuns(pipeline, STATES, NOTHING, config)
    concepts = torch.tensor([2, 0, 1, 1, 2, 0, 0, 1])
    draw = runs.source(eps, eps, torch.Generator().manual_seed(8))
    latents, timesteps = draw(concepts, torch.Generator().manual_seed(9))

    generator = torch.Generator().manual_seed(9)
    stops = torch.randint(5, (8,), generator=generator)
    if pooled_runs:
        which = torch.randint(2, (8,), generator=generator)
        noises = torch.randn(6, 4, 8, 8, generator=torch.Generator().manual_seed(8))
        noise = noises[concepts + 3 * which]
    else:
        noise = torch.randn(8, 4, 8, 8, generator=generator)
    assert len(set(stops.tolist())) > 2
    for i in range(8):
        expected, timestep = by_hand(pipeline, noise[i], STATES[concepts[i]], 5, int(stops[i]))
        torch.testing.assert_close(latents[i], expected)
        assert int(timesteps[i]) == timestep


@pytest.mark.parametrize(("by", "expected"), [("tuned", {"tuned"}), ("original", {"original"})])
def test_the_configuration_says_whose_weights_sample(
    pipeline: StableDiffusionPipeline, by: str, expected: set[str]
) -> None:
    asked: set[str] = set()

    def watched(name: str) -> Predict:
        def predict(latents: Tensor, timesteps: Tensor | int, states: Tensor) -> Tensor:
            asked.add(name)
            return eps(latents, timesteps, states)

        return predict

    config = PartialRunConfig(ddim_steps=5, runs_by=by)  # type: ignore[arg-type]
    draw = PartialRuns(pipeline, STATES, NOTHING, config).source(
        watched("tuned"), watched("original"), torch.Generator()
    )
    draw(torch.zeros(6, dtype=torch.long), torch.Generator().manual_seed(1))
    assert asked == expected


def test_a_pool_has_a_run_of_each_concept(pipeline: StableDiffusionPipeline) -> None:
    config = PartialRunConfig(ddim_steps=2, pooled_runs=1)
    draw = PartialRuns(pipeline, STATES, NOTHING, config).source(eps, eps, torch.Generator().manual_seed(1))
    latents, _ = draw(torch.tensor([0, 1, 2]), torch.Generator().manual_seed(2))
    assert len({float(each.sum()) for each in latents}) == 3


@pytest.mark.parametrize("pooled_runs", [0, 3])
def test_stops_say_how_far_a_run_goes_and_what_is_told(pipeline: StableDiffusionPipeline, pooled_runs: int) -> None:
    stops = Stops(torch.tensor([4, 1, 2]), torch.tensor([[0, 10], [500, 501], [20, 30]]), dropped=1)
    config = PartialRunConfig(ddim_steps=5, pooled_runs=pooled_runs)
    runs = PartialRuns(pipeline, STATES, NOTHING, config, stops=stops)
    concepts = torch.tensor([2, 0, 1, 1, 2, 0, 0, 1])
    latents, given = runs.source(eps, eps, torch.Generator().manual_seed(8))(concepts, torch.Generator().manual_seed(9))

    generator = torch.Generator().manual_seed(9)
    numbers = torch.randint(3, (8,), generator=generator)
    if pooled_runs:
        torch.randint(1, (8,), generator=generator)
        noise = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(8))[concepts]
    else:
        noise = torch.randn(8, 4, 8, 8, generator=generator)
    assert set(numbers.tolist()) == {0, 1, 2}
    scheduler = DDIMScheduler.from_config(pipeline.scheduler.config, clip_sample=False)
    scheduler.set_timesteps(5)
    for i, number in enumerate(numbers.tolist()):
        state, expected = STATES[concepts[i]][None], noise[i : i + 1]
        for timestep in scheduler.timesteps[1 : 1 + int(stops.steps[number])]:
            without, with_concept = eps(expected, timestep, NOTHING), eps(expected, timestep, state)
            expected = scheduler.step(without + 3.0 * (with_concept - without), timestep, expected).prev_sample
        torch.testing.assert_close(latents[i], expected[0])
        assert stops.given is not None
        low, high = stops.given[number].tolist()
        assert low <= int(given[i]) < high


@pytest.mark.parametrize("pooled_runs", [0, 40])
def test_a_scheduler_that_remembers_steps_starts_each_run_anew(
    pipeline: StableDiffusionPipeline, pooled_runs: int
) -> None:
    """Also where the pool is sampled in several parts."""
    scheduler = PNDMScheduler.from_config(pipeline.scheduler.config)
    config = PartialRunConfig(ddim_steps=5, pooled_runs=pooled_runs)
    runs = PartialRuns(pipeline, STATES[:1], NOTHING, config, scheduler=scheduler)
    draw = runs.source(eps, eps, torch.Generator().manual_seed(8))
    concepts = torch.zeros(40, dtype=torch.long)
    latents, given = draw(concepts, torch.Generator().manual_seed(9))
    again, _ = draw(concepts, torch.Generator().manual_seed(9))
    assert torch.equal(latents, again)

    fresh = PNDMScheduler.from_config(pipeline.scheduler.config)
    generator = torch.Generator().manual_seed(9)
    stops = torch.randint(5, (40,), generator=generator)
    if pooled_runs:
        which = torch.randint(40, (40,), generator=generator)
        noise = torch.randn(40, 4, 8, 8, generator=torch.Generator().manual_seed(8))[which]
    else:
        noise = torch.randn(40, 4, 8, 8, generator=generator)
    for i, stop in enumerate(stops.tolist()):
        fresh.set_timesteps(5)
        expected = noise[i : i + 1]
        for timestep in fresh.timesteps[:stop]:
            without, with_concept = eps(expected, timestep, NOTHING), eps(expected, timestep, STATES[:1])
            expected = fresh.step(without + 3.0 * (with_concept - without), timestep, expected).prev_sample
        torch.testing.assert_close(latents[i], expected[0])
        assert given[i] == fresh.timesteps[stop]


@pytest.mark.parametrize("pooled_runs", [0, 8])
def test_x_t_is_scaled_to_its_level_where_the_scheduler_asks(
    pipeline: StableDiffusionPipeline, pooled_runs: int
) -> None:
    scheduler = EulerDiscreteScheduler.from_config(pipeline.scheduler.config)
    config = PartialRunConfig(ddim_steps=5, pooled_runs=pooled_runs)
    runs = PartialRuns(pipeline, STATES[:1], NOTHING, config, scheduler=scheduler)
    draw = runs.source(eps, eps, torch.Generator().manual_seed(8))
    latents, given = draw(torch.zeros(8, dtype=torch.long), torch.Generator().manual_seed(9))

    generator = torch.Generator().manual_seed(9)
    stops = torch.randint(5, (8,), generator=generator)
    if pooled_runs:
        which = torch.randint(8, (8,), generator=generator)
        noise = torch.randn(8, 4, 8, 8, generator=torch.Generator().manual_seed(8))[which]
    else:
        noise = torch.randn(8, 4, 8, 8, generator=generator)
    assert len(set(stops.tolist())) > 2
    # What a run itself gives is not scaled.
    x_t = runs.run(eps, noise, stops, torch.zeros(8, dtype=torch.long))
    fresh = EulerDiscreteScheduler.from_config(pipeline.scheduler.config)
    fresh.set_timesteps(5)
    sigmas = fresh.sigmas[stops][:, None, None, None]
    torch.testing.assert_close(latents, x_t / (sigmas**2 + 1).sqrt())
    assert not torch.allclose(latents, x_t, rtol=0.1)
    assert torch.equal(given, fresh.timesteps[stops])
