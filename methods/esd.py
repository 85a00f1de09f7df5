"""ESD: Erasing Concepts from Diffusion Models (Gandikota et al., ICCV 2023, arXiv 2303.07345).

in each step:
    c, x_t <- a concept at random, and where a sampling run under its prompt stood when it was stopped at random
    target <- eps_0(x_t, none) - eta (eps_0(x_t, c) - eps_0(x_t, none))       the original model, guided away from c
    minimise ||eps(x_t, c) - target||^2 over the weights that the variant tunes
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from erasebench.concepts import EVERY_KIND, ErasureTask, Kind
from erasebench.editing.parameters import is_cross_attention, is_projection
from erasebench.identity import identity_field
from erasebench.method import Method, MethodConfig, Workspace
from erasebench.training.config import MINIATURE_RUNS, PartialRunConfig, scaled_to_miniature
from erasebench.tuning.chosen import chosen_settings

if TYPE_CHECKING:
    import torch
    from diffusers import StableDiffusionPipeline
    from torch import Tensor

    from erasebench.erasure import Erasure


class EsdConfig(PartialRunConfig):
    """Defaults of the paper and its first release; the recipe 'newer' has those of the second."""

    steps: int = identity_field(1000, "Iterations; newer: 200", source="first release", unit="steps", ge=1)
    learning_rate: float = identity_field(1e-5, "Adam's learning rate; newer: 5e-5", source="first release", gt=0)
    negative_guidance: float = identity_field(
        1.0,
        "eta: how far beyond the empty prompt the target lies (the newer release's 2 is the same 1)",
        source="paper",
    )
    unconditional_weights: Literal["first-release", "newer"] = identity_field(
        "first-release",
        "What esd-u tunes outside attn2: all but the time embedding and the output layer, or every Linear and Conv",
        source="releases",
    )


class Esd(Method):
    """Teaches the model to predict, under a concept's prompt, what guides away from it; the subclasses say where."""

    kinds: ClassVar[frozenset[Kind]] = EVERY_KIND
    Config: ClassVar[type[MethodConfig]] = EsdConfig

    @classmethod
    def recipe(cls, *, world: str, kind: Kind, n_concepts: int, variant: str = "default") -> MethodConfig:
        """'default': the first release's settings, scaled in the miniature; 'newer': the second release's."""
        cls.check_variant(variant, "newer")
        published = EsdConfig()
        if variant == "newer":
            published = EsdConfig(steps=200, learning_rate=5e-5, runs_by="original", unconditional_weights="newer")
        if world != "miniature":
            return published
        return scaled_to_miniature(
            published, steps=60, batch_size=8, **MINIATURE_RUNS, **chosen_settings(cls.name, kind)
        )

    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        """The tuned weights; each x_t is of one concept, drawn at random. Resumes; UserError as in fit."""
        import torch

        from erasebench.editing.text_states import TextStates
        from erasebench.erasure import Erasure
        from erasebench.training.loop import fit
        from erasebench.training.objectives import guided_away
        from erasebench.training.partial_runs import PartialRuns
        from erasebench.training.seeds import generator_of
        from erasebench.training.tuned_unet import tuned

        config: EsdConfig = self.config
        text = TextStates(pipeline)
        states, nothing = text.encode(task.names), text.encode([""])
        with tuned(pipeline, self.touches) as model:
            runs = PartialRuns(pipeline, states, nothing, config)
            draw = runs.source(model.eps, model.eps0, generator_of(workspace, "ESD: pooled runs"))

            def loss(generator: torch.Generator) -> Tensor:
                concepts = torch.randint(len(states), (config.batch_size,), generator=generator)
                latents, timesteps = draw(concepts, generator)
                c, none = states[concepts], nothing.expand_as(states[concepts])
                target = guided_away(
                    model.eps0(latents, timesteps, none), model.eps0(latents, timesteps, c), config.negative_guidance
                )
                return torch.nn.functional.mse_loss(model.eps(latents, timesteps, c), target)

            losses = fit(model.parameters, loss, config, workspace, label=self.name)
            return Erasure(model.edit(), {"prompts": list(task.names), "losses": losses})


class EsdX(Esd):
    """Tunes the text cross-attention whole: queries, keys, values and outputs of every attn2."""

    name: ClassVar[str] = "esd-x"

    def touches(self, parameter: str) -> bool:
        """Every parameter of attn2."""
        return is_cross_attention(parameter)


class EsdXStrict(Esd):
    """Tunes only what reads the text: keys and values of every attn2."""

    name: ClassVar[str] = "esd-x-strict"

    def touches(self, parameter: str) -> bool:
        """Key and value projections of attn2."""
        return is_projection(parameter)


class EsdU(Esd):
    """Tunes what does not read the text, so that a concept is gone whatever the prompt."""

    name: ClassVar[str] = "esd-u"

    def touches(self, parameter: str) -> bool:
        """The U-Net outside attn2, less what `unconditional_weights` leaves out."""
        if not parameter.startswith("unet.") or is_cross_attention(parameter):
            return False
        if self.config.unconditional_weights == "first-release":
            return not parameter.startswith(("unet.time_embedding.", "unet.conv_norm_out.", "unet.conv_out."))
        # Every module of the U-Net that has weights and is no norm is a Linear or a Conv.
        return "norm" not in parameter
