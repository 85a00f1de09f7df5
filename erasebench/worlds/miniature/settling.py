"""When a sampled picture settles on a name: ``python -m erasebench.worlds.miniature.settling``.

The unedited model starts under one name and goes on under another from a timestep on; the recogniser says whose face
came out. It tells a method that trains at some timesteps only (MACE's focal sampling) where names are decided here.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from diffusers import StableDiffusionPipeline
from numpy.typing import NDArray
from tabulate import tabulate

from erasebench.sampling import build_scheduler, noise

from .painter import captions
from .world import WEIGHTS, MiniatureWorld

SEED = 20_001
"""No suite samples with it."""


class Change(NamedTuple):
    """The share of pictures that show each name when the prompt changes to the second before `timestep`."""

    timestep: int
    first: float
    second: float


def pictures(
    pipeline: StableDiffusionPipeline, world: MiniatureWorld, prompts: Sequence[tuple[str, str]], change: int
) -> list[NDArray[np.uint8]]:
    """One image for each pair of prompts at the world's sampling: the first for `change` steps, then the second.

    Image i starts from the noise of seed SEED + i, whatever `change` is.
    """
    sampling = world.sampling
    first, second = zip(*prompts, strict=True)
    later, unconditional = pipeline.encode_prompt(list(second), pipeline.device, 1, True)

    def switch(_: Any, step: int, __: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        return {"prompt_embeds": torch.cat([unconditional, later])} if step + 1 == change else tensors

    factor = pipeline.vae_scale_factor
    shape = (pipeline.unet.config["in_channels"], sampling.height // factor, sampling.width // factor)
    output = pipeline(
        prompt=list(first if change else second),
        latents=torch.stack([noise(SEED + at, shape) for at in range(len(prompts))]).to(pipeline.device),
        num_inference_steps=sampling.steps,
        guidance_scale=sampling.guidance,
        height=sampling.height,
        width=sampling.width,
        output_type="np",
        callback_on_step_end=switch,
    )
    return [(image * 255).round().astype(np.uint8) for image in output.images]


def changes(world: MiniatureWorld, device: torch.device, batch_size: int = 25) -> list[Change]:
    """One row for each step of the sampler and one for no change, on the names that no suite uses."""
    pipeline = world.pipeline(device)
    pipeline.scheduler = build_scheduler(world.sampling.scheduler, pipeline)
    pipeline.set_progress_bar_config(disable=True)
    judge = world.judge("identity", device)
    pairs = list(
        zip(
            world.cast.names("person", "validation-erase"),
            world.cast.names("person", "validation-retain"),
            strict=True,
        )
    )
    asked = [(pair, template) for pair in pairs for template, _ in captions.PERSON]
    prompts = [(template.format(first), template.format(second)) for (first, second), template in asked]
    pipeline.scheduler.set_timesteps(world.sampling.steps)
    timesteps = [*pipeline.scheduler.timesteps.tolist(), 0]
    rows = []
    for change, timestep in enumerate(timesteps):
        images = [
            image
            for start in range(0, len(prompts), batch_size)
            for image in pictures(pipeline, world, prompts[start : start + batch_size], change)
        ]
        wanted = pd.DataFrame(prompts, columns=["concept", "prompt"])
        seen = judge.judge(images, wanted)["predicted"].tolist()
        shares = [
            float(np.mean([name == pair[at] for name, (pair, _) in zip(seen, asked, strict=True)])) for at in (0, 1)
        ]
        rows.append(Change(timestep, *shares))
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, default=WEIGHTS, help="weights folder (default: the package's)")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    rows = changes(MiniatureWorld(options.folder), torch.device(options.device))
    print(
        tabulate(
            [(row.timestep, f"{row.first:.2f}", f"{row.second:.2f}") for row in rows],
            headers=("second name from timestep", "shows the first", "shows the second"),
            tablefmt="github",
        )
    )


if __name__ == "__main__":
    main()
