"""SPM: One-dimensional Adapter to Rule Them All (Lyu et al., CVPR 2024, arXiv 2312.16145), semi-permeable membranes.

in each step, for a concept c with anchor n and far prompts f, over c's membrane alone:
    minimise ||eps(x_t, c) - [eps_0(x_t, n) - eta (eps_0(x_t, c) - eps_0(x_t, n))]||^2
             + w mean over f of ||eps(x_t, f) - eps_0(x_t, f)||^2
while sampling: c's membrane is as open as the prompt is near c
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from erasebench.concepts import EVERY_KIND, Concept, ErasureTask, Kind
from erasebench.errors import UserError
from erasebench.identity import identity_field
from erasebench.method import Method, MethodConfig, Workspace
from erasebench.sampling_change import Encode, SamplingChange, watched_prompts
from erasebench.training.config import MINIATURE_RUNS, PartialRunConfig, scaled_to_miniature
from erasebench.tuning.chosen import chosen_settings

if TYPE_CHECKING:
    import torch
    from diffusers import StableDiffusionPipeline
    from torch import Tensor

    from erasebench.editing.text_states import TextStates
    from erasebench.erasure import Erasure

WARMUP = 1 / 6
FLOOR_CAPTIONS = 500


class SpmConfig(PartialRunConfig):
    """Defaults of the release; every concept has adapters of its own, trained as if alone."""

    steps: int = identity_field(3000, "Iterations for each concept", source="release", unit="steps", ge=1)
    learning_rate: float = identity_field(1e-4, "AdamW's highest learning rate", source="release", gt=0)
    batch_size: int = identity_field(
        1, "Concepts whose adapters train side by side, one x_t each", source="release: 1", unit="concepts", ge=1
    )
    weight_decay: float = identity_field(0.01, "AdamW's weight decay", source="release's optimiser", ge=0)
    ddim_steps: int = identity_field(30, "Steps of a whole DDIM run", source="release", unit="steps", ge=2)
    rank: int = identity_field(1, "Rank of an adapter", source="paper", ge=1)
    negative_guidance: float = identity_field(1.0, "eta: how far beyond the anchor the target lies", source="release")
    anchoring_weight: float = identity_field(1000.0, "Weight of staying put elsewhere", source="release", ge=0)
    anchoring_states: int = identity_field(4, "Random text states to stay put on", source="release", ge=1)
    gate_floor: Literal["none", "prior"] = identity_field(
        "none",
        "Cosine at which a gate is shut: 0, as published, or the highest that a prior caption has with the concept, "
        "for text encoders that find all prompts alike",
        source="ours",
    )


def random_states(target: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Text states far from the target's [tokens, d], as [count, tokens, d], on which a membrane must change nothing.

    Gaussian directions with the target's norm times U(0.8, 1.2), accepted with probability 1 - cosine to the target.
    """
    import torch

    found: list[Tensor] = []
    while len(found) < count:
        direction = torch.randn(target.shape, generator=generator).to(target)
        scale, chance = torch.rand(2, generator=generator).tolist()
        cosine = float((direction * target).sum() / (direction.norm() * target.norm()))
        if chance < 1 - cosine:
            found.append(direction / direction.norm() * target.norm() * (0.8 + 0.4 * scale))
    return torch.stack(found)


def learning_rate_factor(step: int, steps: int) -> float:
    """The release's schedule: a sixth of the run to warm up, then three cosines, each from 1 down to 0."""
    share = (step + 1) / steps
    if share <= WARMUP:
        return share / WARMUP
    return 0.5 * (1 + math.cos(math.pi * ((3 * (share - WARMUP) / (1 - WARMUP)) % 1.0)))


def cosines(prompts: Tensor, concepts: Tensor) -> Tensor:
    """Cosine of whole text states: prompts [n, tokens, d] and concepts [k, tokens, d] give [n, k]."""
    prompts, concepts = prompts.flatten(1).float(), concepts.flatten(1).float()
    return (prompts / prompts.norm(dim=1, keepdim=True)) @ (concepts / concepts.norm(dim=1, keepdim=True)).T


def token_overlap(tokenizer: Any, prompt: str, concept: str) -> float:
    """The share of the concept's tokens that the prompt has."""
    wanted = set(tokenizer(concept, add_special_tokens=False)["input_ids"])
    return len(wanted & set(tokenizer(prompt, add_special_tokens=False)["input_ids"])) / max(1, len(wanted))


class GatedAdapters(SamplingChange):
    """Every concept's membrane, as open for an image as its prompt is near the concept (facilitated transport).

    `tensors`: 'down.<layer>' [k rank, in(, h, w)] and 'up.<layer>' [out, k rank], concept after concept.
    """

    kind: ClassVar[str] = "gated-adapters"

    concepts: tuple[str, ...]
    floors: tuple[float, ...]
    rank: int

    def gates(self, text: TextStates, states: Tensor, prompts: list[str]) -> Tensor:
        """max(cosine, token overlap) of each prompt with each concept, [n, k]; `states` are the prompts' own."""
        floors = states.new_tensor(self.floors)
        near = cosines(states, text.encode(self.concepts))
        overlap = [[token_overlap(text.tokenizer, prompt, concept) for concept in self.concepts] for prompt in prompts]
        return ((near - floors) / (1 - floors)).clamp(0, 1).maximum(near.new_tensor(overlap))

    @contextmanager
    def applied_to(self, pipeline: StableDiffusionPipeline) -> Iterator[None]:
        """See SamplingChange. UserError at a call that brings text states in place of a prompt."""
        from erasebench.editing.adapters import adapted
        from erasebench.editing.text_states import TextStates

        text, unet = TextStates(pipeline), pipeline.unet
        weights = {name: value.to(unet.device, unet.dtype) for name, value in self.tensors.items()}
        current: list[Tensor | None] = [None]

        def open_gates(encode: Encode, arguments: Mapping[str, Any]) -> Any:
            prompt, copies = arguments["prompt"], arguments["num_images_per_prompt"]
            if prompt is None:
                raise UserError("SPM's gates read the prompt, and this call brings none.", "Give the prompt as text.")
            states, negative = encode(**arguments)
            prompts = [each for each in ([prompt] if isinstance(prompt, str) else prompt) for _ in range(copies)]
            current[0] = self.gates(text, states, prompts).repeat_interleave(self.rank, dim=1).to(unet.dtype)
            return states, negative

        with watched_prompts(pipeline, open_gates), adapted(unet, weights, lambda: current[0]):
            yield


class Spm(Method):
    """Trains a rank-1 membrane for each concept on every Linear and Conv of the transformer blocks."""

    name: ClassVar[str] = "spm"
    kinds: ClassVar[frozenset[Kind]] = EVERY_KIND
    Config: ClassVar[type[MethodConfig]] = SpmConfig

    @classmethod
    def recipe(cls, *, world: str, kind: Kind, n_concepts: int, variant: str = "default") -> MethodConfig:
        """The release's settings; in the miniature ten concepts side by side, and fewer steps for more than ten.

        A membrane for each concept has a price for each: from 70 concepts on the minute is exceeded, at ten steps each.
        """
        cls.check_variant(variant)
        if world != "miniature":
            return SpmConfig()
        # A short run cannot afford the release's anchoring.
        return scaled_to_miniature(
            SpmConfig(),
            steps=min(70, max(10, 700 // n_concepts)),
            batch_size=10,
            **MINIATURE_RUNS,
            anchoring_weight=1.0,
            anchoring_states=1,
            gate_floor="prior",
            **chosen_settings(cls.name, kind),
        )

    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        """No changed weight: the membranes and their gates. Resumes; UserError as in fit."""
        from erasebench.editing.adapters import joined
        from erasebench.editing.text_states import TextStates
        from erasebench.erasure import Erasure

        config: SpmConfig = self.config
        text = TextStates(pipeline)
        groups = [task.concepts[i : i + config.batch_size] for i in range(0, len(task.concepts), config.batch_size)]
        trained = [self._train(pipeline, text, group, workspace, f"group-{i}") for i, group in enumerate(groups)]
        change = GatedAdapters(
            concepts=task.names,
            floors=_floors(text, task, config),
            rank=config.rank,
            tensors=joined([weights for weights, _ in trained]),
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
        from erasebench.training.objectives import guided_away
        from erasebench.training.partial_runs import PartialRuns
        from erasebench.training.seeds import generator_of
        from erasebench.training.tuned_unet import frozen

        config: SpmConfig = self.config
        states, anchors = text.encode([c.name for c in concepts]), text.encode([c.anchor for c in concepts])
        weights = fresh_adapters(
            pipeline.unet, config.rank, [generator_of(workspace, f"SPM: {concept.name}") for concept in concepts]
        )
        # Row i of a batch is concept i's, and opens that concept's membrane alone.
        own = torch.eye(len(concepts), device=states.device).repeat_interleave(config.rank, dim=1)
        gates: list[Tensor | None] = [None]

        with frozen(pipeline) as unet, adapted(pipeline.unet, weights, lambda: gates[0]):

            def eps_spm(latents: Tensor, timesteps: Tensor | int, c: Tensor) -> Tensor:
                gates[0] = own
                predicted = unet.eps(latents, timesteps, c)
                gates[0] = None
                return predicted

            runs = PartialRuns(pipeline, states, text.encode([""]), config)
            draw = runs.source(eps_spm, unet.eps0, generator_of(workspace, f"SPM: pooled runs, {run}"))

            def loss(generator: torch.Generator) -> Tensor:
                x, t = draw(torch.arange(len(concepts)), generator)
                target = guided_away(unet.eps0(x, t, anchors), unet.eps0(x, t, states), config.negative_guidance)
                erasing = (eps_spm(x, t, states) - target).square().flatten(1).mean(dim=1)
                # Copies of the batch one after the other, concept by concept in each, as the gates' rows are.
                m = config.anchoring_states
                far = torch.stack([random_states(c, m, generator) for c in states], dim=1).flatten(0, 1)
                xs, ts = x.repeat(m, 1, 1, 1), t.repeat(m)
                moved = (eps_spm(xs, ts, far) - unet.eps0(xs, ts, far)).square().flatten(1).mean(dim=1)
                # A sum over concepts, and Adam's rate for each weight: every membrane learns as if it were alone.
                return erasing.sum() + config.anchoring_weight * moved.sum() / m

            losses = fit(
                weights,
                loss,
                config,
                workspace,
                label=f"{self.name}, {run}",
                run=run,
                schedule=lambda step: learning_rate_factor(step, config.steps),
            )
        return weights, losses


def _floors(text: TextStates, task: ErasureTask, config: SpmConfig) -> tuple[float, ...]:
    if config.gate_floor == "none" or not task.prior_captions:
        return (0.0,) * len(task.concepts)
    near = cosines(text.encode(task.prior_captions[:FLOOR_CAPTIONS]), text.encode(task.names))
    return tuple(min(value, 0.999) for value in near.amax(dim=0).tolist())
