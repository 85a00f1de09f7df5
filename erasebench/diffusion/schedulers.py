"""Schedulers by name, made from the scheduler that a model was saved with, whichever that is."""

from __future__ import annotations

import inspect
import math
from typing import Any

from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    LCMScheduler,
    SchedulerMixin,
    StableDiffusionPipeline,
)

from erasebench.errors import UserError, did_you_mean

SCHEDULERS: dict[str, type[SchedulerMixin]] = {
    "ddim": DDIMScheduler,
    "dpmsolver++": DPMSolverMultistepScheduler,
    "euler": EulerDiscreteScheduler,
    "euler-ancestral": EulerAncestralDiscreteScheduler,
    "lcm": LCMScheduler,
}
STOCHASTIC = ("euler-ancestral", "lcm")
"""Those that add noise at every step."""
TRAINED_WITH = (
    *("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas"),
    *("prediction_type", "rescale_betas_zero_snr"),
)
"""What the model was trained with, which no choice of scheduler changes."""


def build_scheduler(name: str, pipeline: StableDiffusionPipeline) -> Any:
    """One of SCHEDULERS for the model of `pipeline`. UserError for another name, and for a model of other noise.

    Where diffusers' `from_config` would fill a key that the saved scheduler lacks with the new class's default, each
    key that decides pixels is set here instead: see `_settled`.
    """
    if name not in SCHEDULERS:
        raise UserError(f"There is no scheduler '{name}'.", did_you_mean(name, SCHEDULERS))
    saved, kind = pipeline.scheduler, SCHEDULERS[name]
    hint = "Use a model of Stable Diffusion's diffusion process, whose scheduler_config.json has betas."
    if "beta_schedule" not in saved.config or saved.config.get("use_flow_sigmas"):
        raise UserError(
            f"The model's scheduler, {type(saved).__name__}, is not a diffusion scheduler with betas.", hint
        )
    taken = _keys(kind)
    settled = {key: value for key, value in _settled(name, saved).items() if key in taken}
    try:
        return kind.from_config({**saved.config, **settled, "_use_default_values": _defaults(saved, settled)})
    except (ValueError, TypeError, NotImplementedError) as error:
        raise UserError(f"The model's scheduler config does not suit {kind.__name__}: {error}.", hint) from error


def resolved(scheduler: SchedulerMixin) -> dict[str, Any]:
    """Every setting that the scheduler reads, as diffusers resolved it; JSON-able, an infinite number as its name."""
    taken = _keys(type(scheduler))
    return {key: _plain(value) for key, value in scheduler.config.items() if key in taken}


def _settled(name: str, saved: SchedulerMixin) -> dict[str, Any]:
    """The keys that are not left to diffusers' defaults.

    `steps_offset`, `clip_sample`: as StableDiffusionPipeline sets them for every scheduler that it is made with.
    `set_alpha_to_one`: False, as Stable Diffusion v1.x is released, where the saved scheduler has no such key.
    `timestep_spacing` of DDIM: 'leading', as released, where the saved one is but the default of the scheduler's class
    (Euler, DPM++ and their kin: linspace); another one was chosen for the model (trailing).
    `algorithm_type`: the one that adds no noise, which would be drawn from no image's own seed.
    """
    config = saved.config
    found = {key: config[key] for key in TRAINED_WITH if key in config}
    found |= {"steps_offset": 1, "clip_sample": False, "algorithm_type": "dpmsolver++"}
    if name == "ddim":
        spacing = config.get("timestep_spacing", "leading")
        usual = inspect.signature(type(saved).__init__).parameters.get("timestep_spacing")
        found["timestep_spacing"] = "leading" if usual is not None and spacing == usual.default else spacing
        found["set_alpha_to_one"] = config.get("set_alpha_to_one", False)
    return found


def _defaults(saved: SchedulerMixin, settled: dict[str, Any]) -> list[str]:
    """The keys that diffusers is to fill with the new class's defaults: those that the model's own config lacked."""
    return [key for key in saved.config.get("_use_default_values", ()) if key not in settled]


def _keys(kind: type[SchedulerMixin]) -> set[str]:
    return set(inspect.signature(kind.__init__).parameters) - {"self", "kwargs"}


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value.tolist() if hasattr(value, "tolist") else value
