"""ca: Ablating Concepts in Text-to-Image Diffusion Models (Kumari et al., ICCV 2023, arXiv 2303.13516).

images <- the original model's, of the anchor in every template
in each step:
    c, x_t <- a concept at random, and a noised image of its anchor
    minimise ||eps(x_t, template of c) - stopgrad eps(x_t, template of its anchor)||^2, plus a prior for nudity
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from erasebench.concepts import EVERY_KIND, ErasureTask, Kind
from erasebench.editing.parameters import is_projection
from erasebench.identity import identity_field
from erasebench.method import Method, MethodConfig, Workspace
from erasebench.training.config import TrainingConfig, scaled_to_miniature
from erasebench.training.objectives import denoising_loss, substitution_loss
from erasebench.tuning.chosen import chosen_settings

if TYPE_CHECKING:
    import torch
    from diffusers import StableDiffusionPipeline
    from torch import Tensor

    from erasebench.erasure import Erasure
    from erasebench.training.images import NoisedImages
    from erasebench.training.objectives import Eps


class ConceptAblationConfig(TrainingConfig):
    """Defaults of the model-based variant for objects, people and styles."""

    steps: int = identity_field(100, "Steps of batch 8; nudity 400", source="release", unit="steps", ge=1)
    learning_rate: float = identity_field(1.6e-5, "2e-6 x batch 8; nudity 4e-6 x batch", source="release", gt=0)
    batch_size: int = identity_field(8, "Noised images in a step", source="release", unit="samples", ge=1)
    weight_decay: float = identity_field(0.01, "AdamW's weight decay", source="release", ge=0)
    n_images: int = identity_field(
        1000, "Images painted from each anchor's prompts", source="release", unit="images", ge=1
    )
    weights: Literal["keys-and-values", "attention"] = identity_field(
        "keys-and-values", "Tune K and V of attn2, or all attention (nudity)", source="paper, release"
    )
    prior_weight: float = identity_field(
        0.0, "Weight of predicting the noise of the anchor's images under the anchor; nudity 1", source="release", ge=0
    )


def ablation_loss(eps: Eps, x: NoisedImages, concept: Tensor, anchor: Tensor, prior_weight: float) -> Tensor:
    """||eps(x_t, c) - stopgrad eps(x_t, anchor)||^2, plus the prior's denoising loss under the anchor.

    `x`: noised images of the anchor; `concept`, `anchor`: text states [n, tokens, d] of the same prompts with either.
    """
    loss = substitution_loss(eps, x, concept, anchor)
    return loss + prior_weight * denoising_loss(eps, x, anchor) if prior_weight > 0 else loss


class ConceptAblation(Method):
    """Teaches the model to paint, under a concept's prompt, what it paints under the anchor's."""

    name: ClassVar[str] = "ca"
    kinds: ClassVar[frozenset[Kind]] = EVERY_KIND
    Config: ClassVar[type[MethodConfig]] = ConceptAblationConfig

    @classmethod
    def recipe(cls, *, world: str, kind: Kind, n_concepts: int, variant: str = "default") -> MethodConfig:
        """The published settings for the kind; one run for all concepts, so `n_concepts` changes nothing."""
        cls.check_variant(variant)
        published = ConceptAblationConfig()
        if kind == "explicit":
            published = ConceptAblationConfig(steps=400, learning_rate=3.2e-5, weights="attention", prior_weight=1.0)
        if world != "miniature":
            return published
        own = chosen_settings(cls.name, kind)
        return scaled_to_miniature(published, steps=60, batch_size=8, n_images=60, **own)

    def touches(self, parameter: str) -> bool:
        """K and V of attn2; for nudity every weight of attn1 and attn2."""
        if self.config.weights == "attention":
            return parameter.startswith("unet.") and (".attn1." in parameter or ".attn2." in parameter)
        return is_projection(parameter)

    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        """The tuned weights; each sample is of one concept, drawn at random. Resumes; UserError as in fit."""
        import torch

        from erasebench.editing.text_states import TextStates
        from erasebench.editing.tokens import fill
        from erasebench.erasure import Erasure
        from erasebench.templates import built_in_templates
        from erasebench.training.images import encoded, painted
        from erasebench.training.loop import fit
        from erasebench.training.tuned_unet import require_noise_prediction, tuned

        config: ConceptAblationConfig = self.config
        # Before any image is painted for the training.
        require_noise_prediction(pipeline)
        text, templates = TextStates(pipeline, remembered=0), built_in_templates(task.kind)
        anchors = list(dict.fromkeys(task.anchors.values()))
        # Image i of an anchor is of template i mod 30, and is trained on with that template.
        shown = [fill(templates[i % len(templates)], anchor) for anchor in anchors for i in range(config.n_images)]
        images = encoded(pipeline, painted(shown, workspace, self.name))

        def loss(generator: torch.Generator) -> Tensor:
            concepts = torch.randint(len(task.concepts), (config.batch_size,), generator=generator).tolist()
            numbers = torch.randint(config.n_images, (config.batch_size,), generator=generator)
            erased = [task.concepts[i] for i in concepts]
            filled = [templates[i % len(templates)] for i in numbers.tolist()]
            first = torch.tensor([anchors.index(concept.anchor) * config.n_images for concept in erased])
            return ablation_loss(
                model.eps,
                images.noised(first + numbers, generator),
                text.encode([fill(template, concept.name) for template, concept in zip(filled, erased, strict=True)]),
                text.encode([fill(template, concept.anchor) for template, concept in zip(filled, erased, strict=True)]),
                config.prior_weight,
            )

        with tuned(pipeline, self.touches) as model:
            losses = fit(model.parameters, loss, config, workspace, label=self.name)
            return Erasure(model.edit(), {"anchors": task.anchors, "images": len(images), "losses": losses})
