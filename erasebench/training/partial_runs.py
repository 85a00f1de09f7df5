"""x_t from partial sampling runs: what a concept's images look like on the way, without any images."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from erasebench.schedulers import build_scheduler
from erasebench.training.config import PartialRunConfig
from erasebench.training.objectives import guided

Predict = Callable[[Tensor, Tensor | int, Tensor], Tensor]
"""eps(latents, timesteps, text states)."""
CHUNK = 32
"""Whole runs sampled together for the pool."""


class Noised(NamedTuple):
    """Latents on the way: x_t [n, channels, h, w] and their timesteps [n]."""

    latents: Tensor
    timesteps: Tensor


Draw = Callable[[Tensor, torch.Generator], Noised]
"""x_t for each of these concepts, given by their numbers [n] (on the CPU)."""


class PartialRuns:
    """DDIM under a concept's prompt, from noise up to a stop drawn at random (0: the pure noise)."""

    def __init__(
        self, pipeline: StableDiffusionPipeline, states: Tensor, nothing: Tensor, config: PartialRunConfig
    ) -> None:
        """`states`: each concept's [concepts, tokens, d]; `nothing`: the empty prompt's [1, tokens, d]."""
        unet = pipeline.unet
        self._states, self._nothing, self._config = states, nothing, config
        side = unet.config["sample_size"]
        self._shape = (unet.config["in_channels"], *((side, side) if isinstance(side, int) else side))
        self._device = unet.device
        self._scheduler = build_scheduler("ddim", pipeline)
        self._scheduler.set_timesteps(config.ddim_steps, device=self._device)

    def source(self, tuned: Predict, original: Predict, generator: torch.Generator) -> Draw:
        """Where the configuration has x_t come from; `generator` is for the pool, sampled here where there is one."""
        if self._config.pooled_runs > 0:
            return self._pool(original, generator)
        predict = tuned if self._config.runs_by == "tuned" else original
        return lambda concepts, generator: self._draw(predict, concepts, generator)

    def _draw(self, predict: Predict, concepts: Tensor, generator: torch.Generator) -> Noised:
        stops = torch.randint(self._config.ddim_steps, (len(concepts),), generator=generator)
        latents = self._noise(len(concepts), generator)
        for step in range(int(stops.max())):
            # The whole batch each time: its rows keep their places, by which gated adapters know whose they are.
            going = (stops > step).to(self._device)[:, None, None, None]
            latents = torch.where(going, self._step(predict, latents, step, concepts), latents)
        return Noised(latents, self._timesteps(stops))

    def _pool(self, predict: Predict, generator: torch.Generator) -> Draw:
        kinds = len(self._states)
        runs_each = max(1, self._config.pooled_runs // kinds)
        concepts = torch.arange(kinds).repeat(runs_each)
        latents = self._noise(len(concepts), generator)
        chunks = zip(latents.split(CHUNK), concepts.split(CHUNK), strict=True)
        stored = torch.cat([self._whole_runs(predict, *chunk) for chunk in chunks], dim=1)

        def draw(concepts: Tensor, generator: torch.Generator) -> Noised:
            stops = torch.randint(self._config.ddim_steps, (len(concepts),), generator=generator)
            runs = concepts + kinds * torch.randint(runs_each, (len(concepts),), generator=generator)
            return Noised(stored[stops, runs], self._timesteps(stops))

        return draw

    def _whole_runs(self, predict: Predict, latents: Tensor, concepts: Tensor) -> Tensor:
        """Every x_t of whole runs, [stops, runs, channels, h, w]."""
        on_the_way = [latents]
        for step in range(self._config.ddim_steps - 1):
            on_the_way.append(self._step(predict, on_the_way[-1], step, concepts))
        return torch.stack(on_the_way)

    def _noise(self, count: int, generator: torch.Generator) -> Tensor:
        return torch.randn((count, *self._shape), generator=generator).to(self._device)

    def _timesteps(self, stops: Tensor) -> Tensor:
        timesteps: Tensor = self._scheduler.timesteps[stops.to(self._device)]
        return timesteps

    @torch.no_grad()
    def _step(self, predict: Predict, latents: Tensor, step: int, concepts: Tensor) -> Tensor:
        """One DDIM step under classifier-free guidance, all latents at the same timestep."""
        timestep = int(self._scheduler.timesteps[step])
        states = self._states[concepts]
        both = torch.cat([self._nothing.expand_as(states), states])
        without, with_concept = predict(torch.cat([latents, latents]), timestep, both).chunk(2)
        eps = guided(without, with_concept, self._config.start_guidance)
        previous: Tensor = self._scheduler.step(eps, timestep, latents).prev_sample
        return previous
