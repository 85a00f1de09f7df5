"""Concept Ablation as a method: teaches the model to generate the anchor's images under a concept's prompt."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from erasebench.api.concepts import EVERY_KIND, ErasureTask, Kind
from erasebench.api.method import MethodConfig, Workspace
from erasebench.editing.parameters import is_projection
from erasebench.training.config import scaled_to_miniature
from erasebench.training.method import TrainingMethod

from .config import ConceptAblationConfig
from .objective import ablation_loss, with_prior

if TYPE_CHECKING:
    import torch
    from diffusers import StableDiffusionPipeline
    from torch import Tensor

    from erasebench.api.erasure import Erasure
    from erasebench.training.images import NoisedImages


class Batch(NamedTuple):
    """Noised images of anchors, where their loss counts (none: everywhere), and their prompts with either."""

    x: NoisedImages
    mask: Tensor | None
    concepts: list[str]
    anchors: list[str]


class ConceptAblation(TrainingMethod):
    """Teaches the model to generate, under a concept's prompt, what it generates under the anchor's."""

    name: ClassVar[str] = "ca"
    kinds: ClassVar[frozenset[Kind]] = EVERY_KIND
    Config: ClassVar[type[MethodConfig]] = ConceptAblationConfig

    @classmethod
    def recipe(cls, *, world: str, kind: Kind, n_concepts: int, variant: str = "default") -> MethodConfig:
        """The published settings for the kind; 'as-released': with what only the release's code does.

        It has not: the prior, and with it twice the rate, for objects whose name contains the anchor's; words for the
        size in the prompts of rescaled pictures. One run for all concepts, so `n_concepts` changes nothing.
        """
        cls.check_variant(variant, "as-released")
        settings: dict[str, Any] = {}
        if kind == "explicit":
            settings = {"steps": 400, "learning_rate": 3.2e-5, "weights": "attention", "prior_weight": 1.0}
        if variant == "as-released":
            settings |= {"detach_start_token": True, "rescaling": kind == "object", "gradient_clip": 1.0}
            if kind == "explicit":
                # Its code doubles the rate where there is a prior, and ran on two GPUs with a batch of 4 on each.
                settings |= {"learning_rate": 6.4e-5}
        published = ConceptAblationConfig(**settings)
        if world != "miniature":
            return published
        own = cls.chosen_settings(world, kind)
        return scaled_to_miniature(published, steps=60, batch_size=8, n_images=60, **own)

    def check_model(self, pipeline: StableDiffusionPipeline) -> None:
        """See TrainingMethod; where pictures are rescaled, also UserError for a size that cannot be."""
        from .rescaling import require_rescalable

        super().check_model(pipeline)
        if self.config.rescaling:
            require_rescalable(pipeline)

    def edits(self, parameter: str) -> bool:
        """K and V of attn2; for nudity every weight of attn1 and attn2; or the whole U-Net."""
        if self.config.weights == "keys-and-values":
            return is_projection(parameter)
        attention = ".attn1." in parameter or ".attn2." in parameter
        return parameter.startswith("unet.") and (attention or self.config.weights == "unet")

    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        """The tuned weights; each sample is of one concept, drawn at random. Resumes; UserError as in fit."""
        import torch

        from erasebench.api.erasure import Erasure
        from erasebench.editing.templates import built_in_templates
        from erasebench.editing.text_states import TextStates
        from erasebench.editing.tokens import fill
        from erasebench.training.images import encoded, generated
        from erasebench.training.loop import fit
        from erasebench.training.tuned_unet import tuned

        from .rescaling import noised_rescaled
        from .start_token import start_token_detached, text_projections

        config: ConceptAblationConfig = self.config
        # Before any image is sampled for the training.
        self.check_model(pipeline)
        text, templates = TextStates(pipeline, remembered=0), built_in_templates(task.kind)
        anchors = list(dict.fromkeys(task.anchors.values()))
        # Image i of an anchor is of template i mod 30, and is trained on with that template.
        shown = [fill(templates[i % len(templates)], anchor) for anchor in anchors for i in range(config.n_images)]
        pictures = generated(shown, workspace, self.name)
        # A prior's images are as they were sampled, also where the others are rescaled.
        plain = None if config.rescaling and config.prior_weight == 0 else encoded(pipeline, pictures)
        if not config.rescaling:
            # A thousand of each anchor, of which the latents are all that is needed.
            pictures.clear()

        def drawn(generator: torch.Generator, rescaling: bool) -> Batch:
            """A batch of concepts at random, each with an image of its anchor."""
            concepts = torch.randint(len(task.concepts), (config.batch_size,), generator=generator).tolist()
            numbers = torch.randint(config.n_images, (config.batch_size,), generator=generator)
            erased = [task.concepts[i] for i in concepts]
            filled = [templates[i % len(templates)] for i in numbers.tolist()]
            chosen = numbers + torch.tensor([anchors.index(concept.anchor) * config.n_images for concept in erased])
            if plain is None or rescaling:
                x, mask = noised_rescaled(pipeline, [pictures[i] for i in chosen.tolist()], generator)
            else:
                x, mask = plain.noised(chosen, generator), None
            pairs = list(zip(filled, erased, strict=True))
            return Batch(x, mask, [fill(t, c.name) for t, c in pairs], [fill(t, c.anchor) for t, c in pairs])

        def loss(generator: torch.Generator) -> Tensor:
            batch = drawn(generator, config.rescaling)
            concept, anchor = text.encode(batch.concepts), text.encode(batch.anchors)
            value = ablation_loss(model.eps, batch.x, concept, anchor, config.loss, batch.mask)
            if config.prior_weight > 0:
                others = drawn(generator, rescaling=False)
                value = with_prior(value, model.eps, others.x, text.encode(others.anchors), config.prior_weight)
            return value

        detached = start_token_detached(text_projections(pipeline.unet)) if config.detach_start_token else nullcontext()
        with tuned(pipeline, self.edits) as model, detached:
            losses = fit(model.parameters, loss, config, workspace, label=self.name)
            return Erasure(model.edit(), {"anchors": task.anchors, "images": len(shown), "losses": losses})
