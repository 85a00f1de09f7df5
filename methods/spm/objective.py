"""SPM's training in formulas: what a membrane is drawn to, what it stays put on, and how fast it learns.

c, n, f: text states of the concept, its anchor and what is far from it; eps_0: the original network; eps: the network
with the membrane; x_t: latents part of the way from noise to an image.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from torch import Tensor

from erasebench.diffusion.schedulers import build_scheduler
from erasebench.training.objectives import guided_away
from erasebench.training.partial_runs import Noised, PartialRuns, Predict, Stops

from .config import AnchoringRows, SpmConfig

WARM_UP_PART = 6
"""One of how many parts of the run is the warm-up: 500 of the release's 3,000 iterations."""
CYCLES = 3
ALPHA = 1.0


class Losses(NamedTuple):
    """A step's predictions, and its two losses for each x_t [k]; `anchoring` is before its weight.

    Predictions are shaped as x_t [k, channels, h, w], or as the anchoring's copies of it [rows, channels, h, w].
    """

    eps_c: Tensor
    eps_n: Tensor
    eps_adapted: Tensor
    anchoring_adapted: Tensor | None
    anchoring_original: Tensor | None
    erasing: Tensor
    anchoring: Tensor

    def total(self, anchoring_weight: float) -> Tensor:
        """erasing + weight x anchoring, for each x_t [k]."""
        return self.erasing + anchoring_weight * self.anchoring


def losses(
    adapted: Predict, original: Predict, x: Noised, c: Tensor, n: Tensor, rows: Tensor | None, eta: float
) -> Losses:
    """The erasing and the anchoring loss of x_t [k] (arXiv 2312.16145, section 3).

    erasing = mean (eps(x_t, c) - [eps_0(x_t, n) - eta (eps_0(x_t, c) - eps_0(x_t, n))])^2
    anchoring = mean (eps(x_t, f) - eps_0(x_t, f))^2

    `c`, `n`: [k, tokens, d]. `rows`: the states f [m k, tokens, d], the first k beside x_t, the next k beside a copy of
    it, and so on; none: no anchoring.
    """
    eps_c, eps_n = original(x.latents, x.timesteps, c), original(x.latents, x.timesteps, n)
    eps_adapted = adapted(x.latents, x.timesteps, c)
    erasing = _mean_square(eps_adapted - guided_away(eps_n, eps_c, eta))
    if rows is None:
        return Losses(eps_c, eps_n, eps_adapted, None, None, erasing, torch.zeros_like(erasing))
    copies = len(rows) // len(x.latents)
    latents, timesteps = x.latents.repeat(copies, 1, 1, 1), x.timesteps.repeat(copies)
    there, here = adapted(latents, timesteps, rows), original(latents, timesteps, rows)
    anchoring = _mean_square(there - here).unflatten(0, (copies, -1)).mean(dim=0)
    return Losses(eps_c, eps_n, eps_adapted, there, here, erasing, anchoring)


def _mean_square(difference: Tensor) -> Tensor:
    return difference.square().flatten(1).mean(dim=1)


def random_states(target: Tensor, count: int, normal: Callable[[], Tensor], uniform: Callable[[], float]) -> Tensor:
    """`count` states far from `target`, each shaped as it, on which a membrane must change nothing.

    Directions by `normal` (shaped as `target`), accepted where `uniform` < 1 - cosine to the target; then the norm is
    the target's times 0.8 + 0.4 `uniform`. Norm and cosine are of the whole array: [tokens, d], or [d] for a pooled
    state. The order of the draws is the release's.
    """
    found: list[Tensor] = []
    while len(found) < count:
        direction = normal()
        cosine = float((direction * target).sum() / (direction.norm() * target.norm()))
        if uniform() < 1 - cosine:
            found.append(direction / direction.norm() * target.norm() * (0.8 + 0.4 * uniform()))
    return torch.stack(found)


def interleaved(nothing: Tensor, states: Tensor) -> Tensor:
    """[nothing, s1, nothing, s2, ...]: the release's rows [2 m, ...] of the states [m, ...] and the empty prompt's."""
    return torch.stack([nothing.expand_as(states), states], dim=1).flatten(0, 1)


def anchoring_states(nothing: Tensor, states: Tensor, rows: AnchoringRows) -> Tensor:
    """What is trained on, [m, ...], of m random `states`: these, or the second half of the interleaved rows.

    The release gives the network all 2 m rows, takes the halves of its answer for guidance's two predictions, and at a
    guidance of 1 nothing of the first half is left.
    """
    return states if rows == "random" else interleaved(nothing, states)[len(states) :]


def spm_runs(pipeline: StableDiffusionPipeline, states: Tensor, nothing: Tensor, config: SpmConfig) -> PartialRuns:
    """The runs that x_t come from: after k = 1 .. n - 1 of n DDIM steps under the concept's states [k, tokens, d].

    The paper says nothing of k = 0, the pure noise, and the release never draws it.
    """
    k, n = torch.arange(1, config.ddim_steps), config.ddim_steps
    if config.partial_runs == "paper":
        return PartialRuns(pipeline, states, nothing, config, stops=Stops(k))
    scheduler = DDIMScheduler.from_config(build_scheduler("ddim", pipeline).config, steps_offset=0)
    train_timesteps = scheduler.config["num_train_timesteps"]
    given = train_timesteps - 1 - train_timesteps * k // n
    stops = Stops(k, torch.stack([given, given + 1], dim=1))
    return PartialRuns(pipeline, states, nothing, config, stops=stops, scheduler=scheduler)


def learning_rate_factor(step: int, *, iterations: int, warmup: int, cycles: int) -> float:
    """The release's schedule at a step, from 0: i / warmup, then `cycles` cosines, each from 1 down to 0; then 0."""
    if step >= iterations:
        return 0.0
    if step < warmup:
        return step / warmup
    share = (step - warmup) / (iterations - warmup)
    return 0.5 * (1 + math.cos(math.pi * (cycles * share % 1.0)))


def adapter_scale(rank: int) -> float:
    """alpha / r, alpha 1: what the release multiplies an adapter's product by; the paper's rank is 1."""
    return ALPHA / rank
