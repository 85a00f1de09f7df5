"""SLD's guidance over whole runs against the official code (a42923c), which counts its warm-up's steps."""

from __future__ import annotations

from typing import Any, Literal

import torch
from diffusers import DDIMScheduler
from torch import Tensor, nn

from erasebench.methods.sld import QUOTED_STEPS, SldConfig, steered
from erasebench.testing.oracle import Case
from tests.oracles.listing import cases, each

TOLERANCE = 1e-12
CASES = cases("sld", {"guided": lambda case: "eps_S" in case, "off": lambda case: "eps_S" not in case})


class Recorded(nn.Module):
    """A noise predictor that says at each timestep what the case's did; the phrase is asked with half the rows."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        self._case = case
        self._step = {int(t): i for i, t in enumerate(case["timesteps"])}

    def forward(self, latents: Tensor, timestep: int, **_: Any) -> tuple[Tensor]:
        i, case = self._step[timestep], self._case
        if len(latents) == len(case["x_T"]):
            return (case["eps_S"][i],)
        return (torch.cat([case["eps_u"][i], case["eps_p"][i]]),)


def check(case: Case, rule: Literal["share", "count"]) -> None:
    """Every step's guided prediction, and the latents that DDIM makes of them, by this step rule."""
    scheduler = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )
    timesteps = case["timesteps"].tolist()
    scheduler.set_timesteps(len(timesteps))
    config = SldConfig(
        warmup_share=case["delta"] / QUOTED_STEPS,
        step_rule=rule,
        scale=case["s_S"],
        threshold=case["lambda"],
        momentum_scale=case["s_m"],
        momentum=case["b"],
    )
    unet, latents = Recorded(case), case["x_T"]
    predictions, samples = [], []
    with steered(unet, case["phrase"], config, lambda: len(timesteps)) as begin:
        begin()
        for timestep in timesteps:
            nothing, prompt = unet(torch.cat([latents, latents]), timestep)[0].chunk(2)
            predictions.append(nothing + case["s_g"] * (prompt - nothing))
            latents = scheduler.step(predictions[-1], timestep, latents).prev_sample
            samples.append(latents)
    case.check({"eps": torch.stack(predictions), "x": torch.stack(samples)}, tolerance=TOLERANCE)


@each(CASES["guided"])
def test_every_step_is_guided_as_the_release_guides_it(case: Case) -> None:
    check(case, "count")


@each([case for case in CASES["guided"] if len(case["timesteps"]) == QUOTED_STEPS])
def test_at_the_quoted_steps_a_warm_up_by_share_is_the_releases_too(case: Case) -> None:
    check(case, "share")


@each(CASES["off"])
def test_with_a_scale_below_1_the_phrase_is_never_asked(case: Case) -> None:
    check(case, "count")
