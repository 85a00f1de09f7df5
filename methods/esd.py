"""ESD: Erasing Concepts from Diffusion Models (Gandikota et al., ICCV 2023, arXiv 2303.07345).

in each step:
    c, x_t <- a concept at random, and where a sampling run under its prompt stood when it was stopped at random
    target <- eps_0(x_t, none) - eta (eps_0(x_t, c) - eps_0(x_t, none))       the original model, guided away from c
    minimise ||eps(x_t, c) - target||^2 over the weights that the variant tunes
with a text f that c is erased from:
    minimise ||eps(x_t, f) - (eps_0(x_t, f) - eta (eps_0(x_t, c) - eps_0(x_t, none)))||^2
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import field_validator

from erasebench.api.concepts import EVERY_KIND, ErasureTask, Kind
from erasebench.api.method import MethodConfig, Workspace
from erasebench.editing.parameters import is_cross_attention, is_projection
from erasebench.errors import UserError
from erasebench.identity import identity_field
from erasebench.training.config import MINIATURE_RUNS, PartialRunConfig, scaled_to_miniature
from erasebench.training.method import TrainingMethod
from erasebench.training.objectives import guided_away

if TYPE_CHECKING:
    import torch
    from diffusers import StableDiffusionPipeline
    from torch import Tensor

    from erasebench.api.erasure import Erasure
    from erasebench.training.objectives import Eps
    from erasebench.training.partial_runs import Noised, PartialRuns, Stops

Release = Literal["paper", "first-release", "diffusers-2024", "newer"]


class EsdConfig(PartialRunConfig):
    """Defaults of the paper, and of its first release where the paper names no value."""

    steps: int = identity_field(
        1000, "Iterations; both later releases: 200", source="first release", unit="steps", ge=1
    )
    learning_rate: float = identity_field(
        1e-5, "Adam's learning rate; newer: 5e-5; diffusers-2024: 2e-5", source="first release", gt=0
    )
    negative_guidance: float = identity_field(
        1.0,
        "eta: how far beyond the empty prompt the target lies. The newer release's 2 equals 1 here, because its target "
        "starts at the concept; with erase_from it is 2 in both later releases; diffusers-2024: 2 in any case",
        source="paper",
    )
    unconditional_weights: Literal["first-release", "newer"] = identity_field(
        "first-release",
        "What esd-u tunes outside attn2: all except the time embedding and the output layer, or every Linear and Conv",
        source="releases",
    )
    partial_runs: Release = identity_field(
        "paper",
        "Where a run stops, and the timestep given to the model. paper: DDIM, before any of its steps, given x_t's own "
        "timestep; newer: the same with the scheduler that the model was saved with, x_t scaled by it (Euler; the "
        "release omits this); first-release: DDIM without its first timestep, after one step or more, given 39 "
        "to 58 too high (0 to 39 at its last two); diffusers-2024: DDIM, after one step or more, 19 too high",
        source="paper: eps(x_t, c, t); releases",
    )
    erase_from: str | None = identity_field(
        None,
        "Text from which the concept is erased: its prediction is trained, and the target starts there. x_t is "
        "sampled with it, in diffusers-2024 with the concept. The releases use negative_guidance 2 with it. "
        "none: the concept itself is trained, as in the paper",
        source="later releases",
    )

    @field_validator("erase_from")
    @classmethod
    def _text(cls, value: str | None) -> str | None:
        if value is not None and not value.strip():
            raise UserError(f"erase_from={value!r} is not a text to erase from.", "Leave it out, or give the text.")
        return value


def stops_of(release: Release, n: int, train_timesteps: int) -> Stops:
    """What each number k that a release draws means for a run of `n` steps; 50 steps of 1,000 timesteps are published.

    first-release: k = 0 .. n - 1 runs n - k steps, but at most the n - 1 that are left without the first timestep (the
    levels 961, 941 ..), to level 20 k - 39, or 0 for k < 2; given: anything from 20 k up to 20 k + 20.
    diffusers-2024: k = 1 .. n - 3 steps to level 981 - 20 k; given: 1000 - 20 k.
    paper, newer: k = 0 .. n - 1 steps, given x_t's own level.
    """
    import torch

    from erasebench.training.partial_runs import Stops

    if release == "first-release":
        edges = (torch.arange(n + 1) * train_timesteps / n).round().long()
        steps = (n - torch.arange(n)).clamp(max=n - 1)
        return Stops(steps, torch.stack([edges[:-1], edges[1:]], dim=1), dropped=1)
    if release == "diffusers-2024":
        k = torch.arange(1, max(2, n - 2))
        given = train_timesteps - train_timesteps * k // n
        return Stops(k, torch.stack([given, given + 1], dim=1))
    return Stops(torch.arange(n))


def esd_runs(
    pipeline: StableDiffusionPipeline, states: Tensor, nothing: Tensor, start: Tensor | None, config: EsdConfig
) -> PartialRuns:
    """Where x_t come from; `states` [concepts, tokens, d], `nothing` and `start` (erase_from) [1, tokens, d]."""
    from erasebench.diffusion.schedulers import build_scheduler
    from erasebench.training.partial_runs import PartialRuns, own_scheduler

    release = config.partial_runs
    scheduler = own_scheduler(pipeline) if release == "newer" else build_scheduler("ddim", pipeline)
    prompted = states if start is None or release == "diffusers-2024" else start.expand_as(states)
    return PartialRuns(
        pipeline,
        prompted,
        nothing,
        config,
        stops=stops_of(release, config.ddim_steps, scheduler.config["num_train_timesteps"]),
        scheduler=scheduler,
    )


def esd_target(eps0: Eps, x: Noised, concept: Tensor, nothing: Tensor, start: Tensor | None, eta: float) -> Tensor:
    """eps_0(x_t, start) - eta (eps_0(x_t, c) - eps_0(x_t, none)), the start being nothing where there is none.

    ESD, eq. 6 and 7; all text states are [n, tokens, d], and the target is shaped as x_t.
    """
    eps0_nothing = eps0(x.latents, x.timesteps, nothing)
    eps0_start = eps0_nothing if start is None else eps0(x.latents, x.timesteps, start)
    return guided_away(eps0_start, eps0(x.latents, x.timesteps, concept), eta, eps0_nothing)


def esd_loss(eps: Eps, x: Noised, trained: Tensor, target: Tensor) -> Tensor:
    """The mean of (eps(x_t, c) - target)^2, or of eps(x_t, f) where c is erased from f: `trained` [n, tokens, d]."""
    import torch

    return torch.nn.functional.mse_loss(eps(x.latents, x.timesteps, trained), target)


LATER: dict[str, Any] = {"steps": 200, "unconditional_weights": "newer"}
RELEASES: Mapping[str, Mapping[str, Any]] = {
    "as-released": {"partial_runs": "first-release"},
    "diffusers-2024": LATER | {"learning_rate": 2e-5, "negative_guidance": 2.0, "partial_runs": "diffusers-2024"},
    "newer": LATER | {"learning_rate": 5e-5, "runs_by": "original", "partial_runs": "newer"},
}
"""What each recipe has other than the default, which is the paper's."""


class Esd(TrainingMethod):
    """Teaches the model to predict, under a concept's prompt, what guides away from it; the subclasses say where."""

    kinds: ClassVar[frozenset[Kind]] = EVERY_KIND
    Config: ClassVar[type[MethodConfig]] = EsdConfig

    @classmethod
    def recipe(cls, *, world: str, kind: Kind, n_concepts: int, variant: str = "default") -> MethodConfig:
        """'default': the paper with the first release's values; the others each a release with its partial runs.

        'as-released' is the first release, 'newer' the second, 'diffusers-2024' a script between them. In the miniature
        all are scaled, and x_t come from a pool.
        """
        cls.check_variant(variant, *RELEASES)
        released = RELEASES.get(variant, {})
        published = EsdConfig.model_validate(released)
        if world != "miniature":
            return published
        own = cls.chosen_settings(world, kind)
        if variant == "diffusers-2024":
            own["negative_guidance"] = released["negative_guidance"]
        return scaled_to_miniature(published, steps=60, batch_size=8, **MINIATURE_RUNS, **own)

    def check_model(self, pipeline: StableDiffusionPipeline) -> None:
        """See TrainingMethod; with newer partial runs also UserError for every scheduler but DDIM, PNDM and Euler.

        The release's runs were not compared by numbers on any other.
        """
        from erasebench.training.partial_runs import own_scheduler

        super().check_model(pipeline)
        if self.config.partial_runs == "newer":
            own_scheduler(pipeline)

    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        """The tuned weights; each x_t is of one concept, drawn at random. Resumes; UserError as in fit."""
        import torch

        from erasebench.api.erasure import Erasure
        from erasebench.editing.text_states import TextStates
        from erasebench.training.loop import fit
        from erasebench.training.seeds import generator_of
        from erasebench.training.tuned_unet import tuned

        config: EsdConfig = self.config
        text = TextStates(pipeline)
        states, nothing = text.encode(task.names), text.encode([""])
        start = None if config.erase_from is None else text.encode([config.erase_from])
        with tuned(pipeline, self.edits) as model:
            runs = esd_runs(pipeline, states, nothing, start, config)
            draw = runs.source(model.eps, model.eps0, generator_of(workspace, "ESD: pooled runs"))

            def loss(generator: torch.Generator) -> Tensor:
                concepts = torch.randint(len(states), (config.batch_size,), generator=generator)
                x, c = draw(concepts, generator), states[concepts]
                f = None if start is None else start.expand_as(c)
                target = esd_target(model.eps0, x, c, nothing.expand_as(c), f, config.negative_guidance)
                return esd_loss(model.eps, x, c if f is None else f, target)

            losses = fit(model.parameters, loss, config, workspace, label=self.name)
            return Erasure(model.edit(), {"prompts": list(task.names), "losses": losses})


class EsdX(Esd):
    """Tunes the text cross-attention whole: queries, keys, values and outputs of every attn2."""

    name: ClassVar[str] = "esd-x"

    def edits(self, parameter: str) -> bool:
        """Every parameter of attn2."""
        return is_cross_attention(parameter)


class EsdXStrict(Esd):
    """Tunes only what reads the text: keys and values of every attn2."""

    name: ClassVar[str] = "esd-x-strict"

    def edits(self, parameter: str) -> bool:
        """Key and value projections of attn2."""
        return is_projection(parameter)


class EsdU(Esd):
    """Tunes what does not read the text, so that a concept is gone whatever the prompt."""

    name: ClassVar[str] = "esd-u"

    def edits(self, parameter: str) -> bool:
        """The U-Net outside attn2, less what `unconditional_weights` leaves out."""
        if not parameter.startswith("unet.") or is_cross_attention(parameter):
            return False
        if self.config.unconditional_weights == "first-release":
            return not parameter.startswith(("unet.time_embedding.", "unet.conv_norm_out.", "unet.conv_out."))
        # Every module of the U-Net that has weights and is no norm is a Linear or a Conv.
        return "norm" not in parameter
