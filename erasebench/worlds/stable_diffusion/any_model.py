"""Any model of Stable Diffusion's format, with the protocol's names."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, Self

from erasebench.api.world import SamplingDefaults
from erasebench.errors import UserError
from erasebench.families.model_folder import few_steps
from erasebench.worlds.stable_diffusion.world import StableDiffusionWorld


class AnyStableDiffusionWorld(StableDiffusionWorld):
    """Stable Diffusion v1.x or v2.x by others: a folder in diffusers' format, one file, or a hub id.

    The protocol's concept lists, judges, recipes and sampling, at the model's own size; a model of few steps has those.
    """

    name: ClassVar[str] = "stable-diffusion"
    about: ClassVar[str] = (
        "A Stable Diffusion model of the user's at its own size, with the protocol's names and sampling."
    )
    recipes: ClassVar[str | None] = StableDiffusionWorld.name
    usual_sampling: ClassVar[SamplingDefaults | None] = None

    @classmethod
    def open(cls, model: str | None = None) -> Self:
        """The world on `model`. UserError where none is given."""
        if model is None:
            raise UserError(
                f"--world {cls.name} has no model of its own.",
                "Give --model FOLDER, FILE.safetensors or a hub id; or --world stable-diffusion-v1-4.",
            )
        return cls(model)

    @cached_property
    def sampling(self) -> SamplingDefaults:  # type: ignore[override]
        """50 steps of DDIM at 7.5, or what a model of few steps wants, at the model's own size; the user goes first."""
        special = few_steps(self.folder)
        own = {} if special is None else special.settings
        return super().sampling.model_copy(update={**own, **self.sampling_given})

    def _check_steps(self, given: Mapping[str, Any]) -> None:
        """A model of few steps is sampled as it was made for."""
