"""SPM as a method: a membrane for each concept, trained beside the weights and opened while sampling."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from erasebench.api.concepts import EVERY_KIND, Concept, ErasureTask, Kind
from erasebench.api.method import MethodConfig, Workspace
from erasebench.training.config import MINIATURE_RUNS, scaled_to_miniature
from erasebench.training.method import TrainingMethod

from .config import SpmConfig
from .gates import GatedAdapters, cosines

if TYPE_CHECKING:
    import torch
    from diffusers import StableDiffusionPipeline
    from torch import Tensor

    from erasebench.api.erasure import Erasure
    from erasebench.editing.text_states import TextStates

FLOOR_CAPTIONS = 500


class Spm(TrainingMethod):
    """Trains a rank-1 membrane for each concept on every Linear and Conv of the transformer blocks."""

    name: ClassVar[str] = "spm"
    kinds: ClassVar[frozenset[Kind]] = EVERY_KIND
    acts_in_network: ClassVar[bool] = True
    Config: ClassVar[type[MethodConfig]] = SpmConfig

    @classmethod
    def recipe(cls, *, world: str, kind: Kind, n_concepts: int, variant: str = "default") -> MethodConfig:
        """'default': the paper's and the release's settings; 'as-released': with all that only the release's code does.

        In the miniature ten concepts train side by side, in fewer steps for more than ten: a membrane for each concept
        has a price for each, and from 70 concepts on the minute is exceeded, at ten steps each. They stay put on one
        state; as released on two, since the release's rows of one are that one.
        """
        cls.check_variant(variant, "as-released")
        published = SpmConfig()
        if variant == "as-released":
            published = SpmConfig(anchoring_rows="as-released", partial_runs="as-released", merging="factors")
        if world != "miniature":
            return published
        # A short run cannot afford the release's anchoring.
        return scaled_to_miniature(
            published,
            steps=min(70, max(10, 700 // n_concepts)),
            batch_size=10,
            **MINIATURE_RUNS,
            anchoring_weight=1.0,
            anchoring_states=2 if variant == "as-released" else 1,
            gate_floor="prior",
            **cls.chosen_settings(world, kind),
        )

    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        """No changed weight: the membranes and their gates. Resumes; UserError as in fit."""
        from erasebench.api.erasure import Erasure
        from erasebench.editing.adapters import joined
        from erasebench.editing.text_states import TextStates

        from .objective import adapter_scale

        config: SpmConfig = self.config
        text = TextStates(pipeline)
        groups = [task.concepts[i : i + config.batch_size] for i in range(0, len(task.concepts), config.batch_size)]
        trained = [self._train(pipeline, text, group, workspace, f"group-{i}") for i, group in enumerate(groups)]
        membranes, scale = joined([weights for weights, _ in trained]), adapter_scale(config.rank)
        change = GatedAdapters(
            concepts=task.names,
            floors=_floors(text, task, config),
            rank=config.rank,
            merging=config.merging,
            tensors={name: value * scale if name.startswith("up.") else value for name, value in membranes.items()},
        )
        return Erasure(record={"anchors": task.anchors, "losses": [losses for _, losses in trained]}, sampling=change)

    def _train(
        self,
        pipeline: StableDiffusionPipeline,
        text: TextStates,
        concepts: tuple[Concept, ...],
        workspace: Workspace,
        run: str,
    ) -> tuple[dict[str, Tensor], list[float]]:
        """The membranes of some concepts, trained side by side as if alone, and the losses."""
        import torch

        from erasebench.editing.adapters import adapted, fresh_adapters
        from erasebench.training.loop import fit
        from erasebench.training.seeds import generator_of
        from erasebench.training.tuned_unet import frozen

        from .objective import (
            CYCLES,
            WARM_UP_PART,
            adapter_scale,
            anchoring_states,
            learning_rate_factor,
            losses,
            random_states,
            spm_runs,
        )

        config: SpmConfig = self.config
        states, anchors = text.encode([c.name for c in concepts]), text.encode([c.anchor for c in concepts])
        nothing = text.encode([""])
        weights = fresh_adapters(
            pipeline.unet, config.rank, [generator_of(workspace, f"SPM: {concept.name}") for concept in concepts]
        )
        # Row i of a batch is concept i's, and opens that concept's membrane alone.
        own = adapter_scale(config.rank) * torch.eye(len(concepts), device=states.device)
        own = own.repeat_interleave(config.rank, dim=1)
        gates: list[Tensor | None] = [None]

        with frozen(pipeline) as unet, adapted(pipeline.unet, weights, lambda: gates[0]):

            def eps_spm(latents: Tensor, timesteps: Tensor | int, c: Tensor) -> Tensor:
                gates[0] = own
                predicted = unet.eps(latents, timesteps, c)
                gates[0] = None
                return predicted

            runs = spm_runs(pipeline, states, nothing, config)
            draw = runs.source(eps_spm, unet.eps0, generator_of(workspace, f"SPM: pooled runs, {run}"))

            def far_from(c: Tensor, generator: torch.Generator) -> Tensor:
                """The anchoring's states of one concept [m, tokens, d]."""
                found = random_states(
                    c,
                    config.anchoring_states,
                    normal=lambda: torch.randn(c.shape, generator=generator).to(c),
                    uniform=lambda: float(torch.rand((), generator=generator)),
                )
                return anchoring_states(nothing[0], found, config.anchoring_rows)

            def loss(generator: torch.Generator) -> Tensor:
                x = draw(torch.arange(len(concepts)), generator)
                # Copies of the batch one after the other, concept by concept in each, as the gates' rows are.
                far = torch.stack([far_from(c, generator) for c in states], dim=1).flatten(0, 1)
                found = losses(eps_spm, unet.eps0, x, states, anchors, far, config.negative_guidance)
                # A sum over concepts, and Adam's rate for each weight: every membrane learns as if it were alone.
                return found.total(config.anchoring_weight).sum()

            values = fit(
                weights,
                loss,
                config,
                workspace,
                label=f"{self.name}, {run}",
                run=run,
                schedule=lambda step: learning_rate_factor(
                    step, iterations=config.steps, warmup=config.steps // WARM_UP_PART, cycles=CYCLES
                ),
            )
        return weights, values


def _floors(text: TextStates, task: ErasureTask, config: SpmConfig) -> tuple[float, ...]:
    if config.gate_floor == "none" or not task.prior_captions:
        return (0.0,) * len(task.concepts)
    near = cosines(text.encode(task.prior_captions[:FLOOR_CAPTIONS]), text.encode(task.names))
    return tuple(min(value, 0.999) for value in near.amax(dim=0).tolist())
