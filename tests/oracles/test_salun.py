"""SalUn held to its release: the gradients behind the mask, the mask, and the masked steps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from torch import Tensor

from erasebench.methods.salun import Batch, SalUnConfig, mask_loss, saliency_mask, salun_loss, summed_gradients
from erasebench.testing import oracle
from erasebench.training.images import NoisedImages, noised_latents
from erasebench.training.loop import fit
from tests.methods.mace.workspace import TestWorkspace
from tests.oracles.channel_unet import ChannelUnet, weights_of
from tests.oracles.listing import cases, each

KINDS = cases(
    "salun",
    {
        "mask": lambda case: "share" in case and "x0" in case,
        "mask-from-gradients": lambda case: "share" in case and "x0" not in case,
        "steps": lambda case: "losses" in case,
    },
)


def diffusion() -> DDIMScheduler:
    """Stable Diffusion's process with its table in double precision, as the official code ran here."""
    scheduler = DDIMScheduler()
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    scheduler.alphas_cumprod = (1 - betas).cumprod(dim=0)
    return scheduler


def noised(case: oracle.Case, x0: str, prefix: str, number: int) -> NoisedImages:
    """x_t of a batch, of the latents `x0` with the noise and the timesteps of this prefix."""
    return noised_latents(
        case[x0][number], case[f"{prefix}timesteps"][number], case[f"{prefix}noise"][number], diffusion()
    )


def tuned(case: oracle.Case, prefix: str) -> ChannelUnet:
    return ChannelUnet({name: value.requires_grad_() for name, value in weights_of(case, prefix).items()})


@each(KINDS["mask"])
def test_the_gradients_and_the_mask(case: oracle.Case) -> None:
    eps = tuned(case, "")

    def losses() -> Iterator[Tensor]:
        for number in range(len(case["x0"])):
            x = noised(case, "x0", "", number)
            c, none = (case[symbol].expand(len(x.latents), -1, -1) for symbol in ("concept", "nothing"))
            yield mask_loss(eps, x, c, none, case["guidance"])

    gradients = summed_gradients(losses(), eps.weights)
    case.check({f"gradient_{name}": gradient.abs() for name, gradient in gradients.items()}, tolerance=1e-9)
    masks = saliency_mask(gradients, case["share"])
    case.check({f"mask_{name}": mask for name, mask in masks.items()}, tolerance=0)


@each(KINDS["mask-from-gradients"])
def test_the_ranking_of_given_gradients(case: oracle.Case) -> None:
    prefix = "gradient_"
    gradients = {symbol.removeprefix(prefix): case[symbol] for symbol in case.symbols if symbol.startswith(prefix)}
    masks = saliency_mask(gradients, case["share"])
    case.check({f"mask_{name}": mask for name, mask in masks.items()}, tolerance=0)


@each(KINDS["steps"])
def test_the_masked_steps(case: oracle.Case, tmp_path: Path) -> None:
    eps = tuned(case, "start_")
    steps = len(case["losses"])
    # The method's own run without a mask: a share of all weights, whatever their gradients.
    everything = saliency_mask(eps.weights, 1.0)
    masks = {name: case[f"mask_{name}"] for name in eps.weights} if case["masked"] else everything
    after: dict[str, list[Tensor]] = {f"after_{name}": [] for name in eps.weights}
    number = -1

    def keep() -> None:
        for name, value in eps.weights.items():
            after[f"after_{name}"].append(value.detach().clone())

    def loss(generator: torch.Generator) -> Tensor:
        nonlocal number
        number += 1
        if number:
            keep()
        x, x_target = (noised(case, x0, "forget_", number) for x0 in ("forget_x0", "target_x0"))
        c, substitute = (case[symbol].expand(len(x.latents), -1, -1) for symbol in ("concept", "substitute"))
        y = noised(case, "remain_x0", "remain_", number)
        batch = Batch(x, x_target, c, substitute, y, case["remain_states"][number])
        return salun_loss(eps, batch, case["remain_weight"])

    config = SalUnConfig(steps=steps, learning_rate=case["learning_rate"])
    # A training loop asks its workspace for no pipeline.
    workspace = TestWorkspace(cast(StableDiffusionPipeline, None), tmp_path)
    losses = fit(eps.weights, loss, config, workspace, label="oracle", masks=masks)
    keep()
    case.check({"losses": torch.tensor(losses, dtype=torch.float64)}, tolerance=1e-9)
    case.check({name: torch.stack(values) for name, values in after.items()}, tolerance=1e-9)
