"""x_t from partial sampling runs: what a concept's images look like on the way, without any images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from diffusers import DDIMScheduler, EulerDiscreteScheduler, PNDMScheduler, StableDiffusionPipeline
from torch import Tensor

from erasebench.diffusion.schedulers import build_scheduler
from erasebench.errors import UserError
from erasebench.training.config import PartialRunConfig
from erasebench.training.objectives import guided

Predict = Callable[[Tensor, Tensor | int, Tensor], Tensor]
"""eps(latents, timesteps, text states)."""
CHUNK = 32
"""Whole runs sampled together for the pool."""


class Noised(NamedTuple):
    """What the U-Net is given: x_t [n, channels, h, w], scaled as the scheduler asks, and the timesteps given [n]."""

    latents: Tensor
    timesteps: Tensor


Draw = Callable[[Tensor, torch.Generator], Noised]
"""x_t for each of these concepts, given by their numbers [n] (on the CPU)."""


class Stops(NamedTuple):
    """The stops of a run, each as likely as the others; a stop is a number from 0 to K - 1.

    `steps` [K]: how many steps a run takes up to each stop. `given` [K, 2]: the U-Net gets a timestep drawn
    uniformly from the first up to the second, exclusive; none: x_t's own. `dropped`: timesteps skipped at first.
    """

    steps: Tensor
    given: Tensor | None = None
    dropped: int = 0


def own_scheduler(pipeline: StableDiffusionPipeline) -> Any:
    """The model's own scheduler, without a run's state.

    UserError for every kind but DDIM, PNDM and Euler: some draw noise in their steps, and runs by the others were not
    held to any release's numbers.
    """
    saved = pipeline.scheduler
    if not isinstance(saved, DDIMScheduler | EulerDiscreteScheduler | PNDMScheduler):
        raise UserError(
            f"These partial runs use the model's own scheduler, and {type(saved).__name__} is not one of DDIM, PNDM "
            "and Euler.",
            "Set partial_runs=paper, which always samples with DDIM.",
        )
    return type(saved).from_config(saved.config)


class PartialRuns:
    """Sampling under a concept's prompt, from noise up to a stop drawn at random.

    By DDIM, stopped before any of its steps (the first: pure noise) given x_t's own level, unless a method's release
    has other `stops` or another `scheduler`.
    """

    def __init__(
        self,
        pipeline: StableDiffusionPipeline,
        states: Tensor,
        nothing: Tensor,
        config: PartialRunConfig,
        *,
        stops: Stops | None = None,
        scheduler: Any = None,
    ) -> None:
        """`states`: each concept's [concepts, tokens, d]; `nothing`: the empty prompt's [1, tokens, d]."""
        unet = pipeline.unet
        self._states, self._nothing, self._config = states, nothing, config
        side = unet.config["sample_size"]
        self._shape = (unet.config["in_channels"], *((side, side) if isinstance(side, int) else side))
        self._device = unet.device
        self._scheduler = build_scheduler("ddim", pipeline) if scheduler is None else scheduler
        self.stops = Stops(torch.arange(config.ddim_steps)) if stops is None else stops
        self._scales = self._scales_of_levels()

    def source(self, tuned: Predict, original: Predict, generator: torch.Generator) -> Draw:
        """Where the configuration has x_t come from; `generator` is for the pool, sampled here where there is one."""
        if self._config.pooled_runs > 0:
            return self._pool(original, generator)
        predict = tuned if self._config.runs_by == "tuned" else original
        return lambda concepts, generator: self._draw(predict, concepts, generator)

    def run(self, predict: Predict, noise: Tensor, stops: Tensor, concepts: Tensor) -> Tensor:
        """x_t, not scaled, of runs from `noise` [n, channels, h, w] to each row's stop [n], under its concept [n]."""
        timesteps = self._start()
        steps, latents = self.stops.steps[stops], noise * self._scheduler.init_noise_sigma
        for step in range(int(steps.max())):
            # The whole batch each time: its rows keep their places, by which gated adapters know whose they are.
            going = (steps > step).to(self._device)[:, None, None, None]
            latents = torch.where(going, self._step(predict, latents, timesteps[step], concepts), latents)
        return latents

    def given(self, stops: Tensor, generator: torch.Generator) -> Tensor:
        """The timesteps [n] that the U-Net is given at these stops [n]; drawn only where the stops have intervals."""
        if self.stops.given is None:
            own: Tensor = self._start()[self.stops.steps[stops].to(self._device)]
            return own
        drawn = [torch.randint(low, high, (1,), generator=generator) for low, high in self.stops.given[stops].tolist()]
        return torch.cat(drawn).to(self._device)

    def _draw(self, predict: Predict, concepts: Tensor, generator: torch.Generator) -> Noised:
        stops = self._drawn_stops(len(concepts), generator)
        latents = self.run(predict, self._noise(len(concepts), generator), stops, concepts)
        return Noised(self._scaled(latents, stops), self.given(stops, generator))

    def _pool(self, predict: Predict, generator: torch.Generator) -> Draw:
        kinds = len(self._states)
        runs_each = max(1, self._config.pooled_runs // kinds)
        concepts = torch.arange(kinds).repeat(runs_each)
        latents = self._noise(len(concepts), generator)
        chunks = zip(latents.split(CHUNK), concepts.split(CHUNK), strict=True)
        stored = torch.cat([self._whole_runs(predict, *chunk) for chunk in chunks], dim=1)

        def draw(concepts: Tensor, generator: torch.Generator) -> Noised:
            stops = self._drawn_stops(len(concepts), generator)
            runs = concepts + kinds * torch.randint(runs_each, (len(concepts),), generator=generator)
            return Noised(self._scaled(stored[self.stops.steps[stops], runs], stops), self.given(stops, generator))

        return draw

    def _whole_runs(self, predict: Predict, noise: Tensor, concepts: Tensor) -> Tensor:
        """Every x_t of runs up to the last stop, [steps + 1, runs, channels, h, w]."""
        timesteps = self._start()
        on_the_way = [noise * self._scheduler.init_noise_sigma]
        for timestep in timesteps[: int(self.stops.steps.max())]:
            on_the_way.append(self._step(predict, on_the_way[-1], timestep, concepts))
        return torch.stack(on_the_way)

    def _start(self) -> Tensor:
        """The timesteps of a run; a scheduler that remembers the steps before forgets them."""
        self._scheduler.set_timesteps(self._config.ddim_steps, device=self._device)
        timesteps: Tensor = self._scheduler.timesteps[self.stops.dropped :]
        return timesteps

    def _scaled(self, latents: Tensor, stops: Tensor) -> Tensor:
        """x_t as a step of the scheduler hands it to the U-Net: Euler's is divided by sqrt(sigma^2 + 1)."""
        return latents * self._scales[self.stops.steps[stops]].to(latents)[:, None, None, None]

    def _scales_of_levels(self) -> Tensor:
        """What the scheduler multiplies x_t by after 0, 1 .. steps; 1 after the last, where no step is left to ask."""
        one = torch.ones((), device=self._device)
        # A new start for each: Euler counts steps, and does not look the timestep up again.
        asked = [self._scheduler.scale_model_input(one, self._start()[step]) for step in range(len(self._start()))]
        return torch.stack([*asked, one])

    def _drawn_stops(self, count: int, generator: torch.Generator) -> Tensor:
        return torch.randint(len(self.stops.steps), (count,), generator=generator)

    def _noise(self, count: int, generator: torch.Generator) -> Tensor:
        return torch.randn((count, *self._shape), generator=generator).to(self._device)

    @torch.no_grad()
    def _step(self, predict: Predict, latents: Tensor, timestep: Tensor, concepts: Tensor) -> Tensor:
        """One step under classifier-free guidance, all latents at the same timestep."""
        # Euler's timesteps are fractions, and it takes them as tensors alone.
        at = timestep if timestep.is_floating_point() else int(timestep)
        states, scaled = self._states[concepts], self._scheduler.scale_model_input(latents, at)
        both = torch.cat([self._nothing.expand_as(states), states])
        without, with_concept = predict(torch.cat([scaled, scaled]), at, both).chunk(2)
        eps = guided(without, with_concept, self._config.start_guidance)
        previous: Tensor = self._scheduler.step(eps, at, latents).prev_sample
        return previous
