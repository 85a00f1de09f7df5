"""When a sampled picture settles on a name: ``python -m erasebench.worlds.miniature.lab.prompt_switch``.

The unedited model starts under one name and goes on under another from a timestep on; the recogniser says whose face
came out. It tells a method that trains at some timesteps only (MACE's focal sampling) where names are decided here.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from tabulate import tabulate

from erasebench.diffusion.sampling import SampleSpec
from erasebench.diffusion.schedulers import build_scheduler
from erasebench.editing.text_states import TextStates
from erasebench.errors import UserError
from erasebench.worlds.miniature.lab.measure import Images, Measurement
from erasebench.worlds.miniature.painter import captions
from erasebench.worlds.miniature.world import WEIGHTS

SEED = 20_001
"""Of the first image; no suite samples with it."""


class Change(NamedTuple):
    """The share of images that show each name, or neither, when the second takes over at `timestep` (None: never)."""

    timestep: int | None
    first: float
    second: float
    neither: float


class PromptSwitch:
    """The unedited model under two names, one after the other, and the recogniser."""

    def __init__(self, folder: Path, device: str, batch_size: int = 25) -> None:
        self.measurement = Measurement(folder, device, batch_size)
        self.steps = self.measurement.world.sampling.steps
        self.states = TextStates(self.measurement.pipeline)

    def pairs(self) -> list[tuple[str, str]]:
        """Names of the validation split, which no suite uses: one to erase and one to keep."""
        names = self.measurement.world.concept_lists.names
        return list(zip(names("person", "validation-erase"), names("person", "validation-retain"), strict=True))

    def timesteps(self) -> list[int]:
        """One for each step of the sampler, the noisiest first."""
        scheduler = build_scheduler(self.measurement.world.sampling.scheduler, self.measurement.pipeline)
        scheduler.set_timesteps(self.steps)
        return [int(timestep) for timestep in scheduler.timesteps]

    def images(self, prompts: Sequence[tuple[str, str]], change: int) -> Images:
        """One image for each pair of prompts: `change` steps under the first, the others under the second.

        Image i starts from the noise of seed SEED + i, whatever `change` is. UserError where the model gives NaN.
        """
        with self._changed([second for _, second in prompts], change):
            return self.measurement.sample([SampleSpec(first, SEED + at) for at, (first, _) in enumerate(prompts)])

    def table(self) -> list[Change]:
        """One row for each step at which the second name can take over, and one for never."""
        asked = [(pair, template) for pair in self.pairs() for template, _ in captions.PERSON]
        prompts = [(template.format(first), template.format(second)) for (first, second), template in asked]
        rows = []
        for change, timestep in enumerate([*self.timesteps(), None]):
            images = self.images(prompts, change)
            seen = self.measurement.judged("face-id", images, [second for (_, second), _ in asked])["predicted"]
            first, second = (
                float(np.mean([name == pair[at] for name, (pair, _) in zip(seen, asked, strict=True)])) for at in (0, 1)
            )
            rows.append(Change(timestep, first, second, 1 - first - second))
        return rows

    @contextmanager
    def _changed(self, prompts: Sequence[str], change: int) -> Iterator[None]:
        """Within the block, from step `change` of each batch on, the U-Net reads these prompts, in order."""
        pipeline, batch = self.measurement.pipeline, self.measurement.profile.batch_size
        states = self.states.encode([*prompts, *([prompts[-1]] * (-len(prompts) % batch))])
        calls = 0

        def swap(_: Any, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
            nonlocal calls
            at, step = divmod(calls, self.steps)
            calls += 1
            if step < change:
                return args, kwargs
            unconditional = kwargs["encoder_hidden_states"][:batch]
            return args, kwargs | {
                "encoder_hidden_states": torch.cat([unconditional, states[at * batch : (at + 1) * batch]])
            }

        hook = pipeline.unet.register_forward_pre_hook(swap, with_kwargs=True)
        try:
            yield
        finally:
            hook.remove()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, default=WEIGHTS, help="weights folder (default: the package's)")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    try:
        rows = PromptSwitch(options.folder, options.device).table()
    except UserError as error:
        raise SystemExit(str(error)) from error
    print(
        tabulate(
            [
                ("never" if row.timestep is None else row.timestep, *(f"{value:.2f}" for value in row[1:]))
                for row in rows
            ],
            headers=("second name from timestep", "shows the first", "shows the second", "shows neither"),
            tablefmt="github",
            disable_numparse=True,
        )
    )


if __name__ == "__main__":
    main()
