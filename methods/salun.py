"""salun: SalUn, saliency unlearning (Fan et al., ICLR 2024, arXiv 2310.12508).

images <- the original model's, of the concepts (x) and of what is to remain (y)
mask <- the half of the weights with the largest gradient of the guided denoising loss, summed over all x
in each step, over the masked weights alone:
    minimise ||eps(x_t, c) - stopgrad eps(x_t, anchor of c)||^2 + w ||eps(y_t, its prompt) - noise||^2
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from erasebench.concepts import EVERY_KIND, ErasureTask, Kind
from erasebench.identity import identity_field
from erasebench.method import Method, MethodConfig, Workspace
from erasebench.training.config import TrainingConfig, scaled_to_miniature
from erasebench.training.objectives import denoising_loss, guided, substitution_loss
from erasebench.tuning.chosen import chosen_settings

if TYPE_CHECKING:
    import torch
    from diffusers import StableDiffusionPipeline
    from torch import Tensor

    from erasebench.editing.text_states import TextStates
    from erasebench.erasure import Erasure
    from erasebench.training.images import Latents, NoisedImages
    from erasebench.training.objectives import Eps
    from erasebench.training.tuned_unet import TunedUnet


class SalUnConfig(TrainingConfig):
    """Defaults of the release's Stable Diffusion scripts."""

    steps: int = identity_field(500, "Steps: five epochs of 800 images", source="release", unit="steps", ge=1)
    learning_rate: float = identity_field(1e-5, "Adam's learning rate", source="release", gt=0)
    batch_size: int = identity_field(8, "Images to forget, and as many to remain", source="release", ge=1)
    n_images: int = identity_field(
        800, "Images to forget over all concepts, and as many to remain", source="release", unit="images", ge=1
    )
    mask_share: float = identity_field(0.5, "Share of the weights that are tuned", source="paper", gt=0, le=1)
    mask_guidance: float = identity_field(7.5, "Guidance of the forget loss behind the mask", source="release", ge=0)
    remain_weight: float = identity_field(0.5, "Weight of the remain loss; explicit 0.1", source="release", ge=0)


class Shown(NamedTuple):
    """A painted image's prompt, and the same prompt with the substitute where it is to be forgotten."""

    prompt: str
    substitute: str


def mask_loss(eps: Eps, x: NoisedImages, concept: Tensor, nothing: Tensor, guidance: float) -> Tensor:
    """-MSE of the guided prediction (1 + g) eps(x_t, c) - g eps(x_t, none) to the noise that is in x_t."""
    with_concept, without = eps(x.latents, x.timesteps, concept), eps(x.latents, x.timesteps, nothing)
    return -(guided(without, with_concept, 1 + guidance) - x.noise).square().mean()


def saliency_mask(gradients: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """True at the `share` of all weights together whose summed gradient is largest in size; ties stay out."""
    import torch

    sizes = torch.cat([gradient.detach().abs().flatten().cpu() for gradient in gradients.values()])
    left_out = round((1 - share) * len(sizes))
    threshold = sizes.kthvalue(left_out).values if left_out else sizes.new_tensor(-1.0)
    return {name: gradient.abs() > threshold.to(gradient.device) for name, gradient in gradients.items()}


class SalUn(Method):
    """Tunes the weights that matter most for a concept, and those alone, towards its anchor."""

    name: ClassVar[str] = "salun"
    kinds: ClassVar[frozenset[Kind]] = EVERY_KIND
    Config: ClassVar[type[MethodConfig]] = SalUnConfig

    @classmethod
    def recipe(cls, *, world: str, kind: Kind, n_concepts: int, variant: str = "default") -> MethodConfig:
        """The release's settings for the kind; in the miniature at least one image of each concept."""
        cls.check_variant(variant)
        published = SalUnConfig(remain_weight=0.1 if kind == "explicit" else 0.5)
        if world != "miniature":
            return published
        own = chosen_settings(cls.name, kind)
        return scaled_to_miniature(published, steps=40, batch_size=8, n_images=max(64, n_concepts), **own)

    def touches(self, parameter: str) -> bool:
        """The whole U-Net; half of its elements at most."""
        return parameter.startswith("unet.")

    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        """The tuned weights. The mask is computed anew by a resumed run, with the same bits; UserError as in fit."""
        from erasebench.editing.text_states import TextStates
        from erasebench.erasure import Erasure
        from erasebench.training.images import encoded, painted
        from erasebench.training.loop import fit
        from erasebench.training.tuned_unet import require_noise_prediction, tuned

        config: SalUnConfig = self.config
        # Before any image is painted for the training.
        require_noise_prediction(pipeline)
        text = TextStates(pipeline, remembered=0)
        forget, remain = _to_forget(task, config.n_images), _to_remain(task, config.n_images)
        forgotten = encoded(pipeline, painted([shown.prompt for shown in forget], workspace, f"{self.name}, forget"))
        remaining = encoded(pipeline, painted([shown.prompt for shown in remain], workspace, f"{self.name}, remain"))

        def loss(generator: torch.Generator) -> Tensor:
            chosen, x = forgotten.drawn(config.batch_size, generator)
            kept, y = remaining.drawn(config.batch_size, generator)
            concept = text.encode([forget[i].prompt for i in chosen])
            substitute = text.encode([forget[i].substitute for i in chosen])
            forgetting = substitution_loss(model.eps, x, concept, substitute)
            remaining_loss = denoising_loss(model.eps, y, text.encode([remain[i].prompt for i in kept]))
            return forgetting + config.remain_weight * remaining_loss

        with tuned(pipeline, self.touches) as model:
            masks = saliency_mask(
                _summed_gradients(model, text, forgotten, forget, config, workspace), config.mask_share
            )
            losses = fit(model.parameters, loss, config, workspace, label=self.name, masks=masks)
            tuned_share = sum(int(mask.sum()) for mask in masks.values()) / sum(mask.numel() for mask in masks.values())
            return Erasure(model.edit(), {"anchors": task.anchors, "tuned_share": tuned_share, "losses": losses})


def _to_forget(task: ErasureTask, count: int) -> list[Shown]:
    """The concepts in turn, each time in another template."""
    from erasebench.editing.tokens import fill
    from erasebench.templates import built_in_templates

    templates = built_in_templates(task.kind)
    turns = [(templates[i // len(task.concepts) % len(templates)], i % len(task.concepts)) for i in range(count)]
    return [Shown(fill(t, task.concepts[i].name), fill(t, task.concepts[i].anchor)) for t, i in turns]


def _to_remain(task: ErasureTask, count: int) -> list[Shown]:
    """The kept names and the prior captions in turn; without either, the anchors."""
    from erasebench.editing.tokens import fill
    from erasebench.templates import built_in_templates

    templates = built_in_templates(task.kind)
    names = task.keep or (() if task.prior_captions else tuple(task.anchors.values()))
    shown = [fill(templates[i % len(templates)], name) for i, name in enumerate(names)]
    turns = zip_longest(shown, task.prior_captions)
    prompts = [prompt for turn in turns for prompt in turn if prompt is not None]
    return [Shown(prompt, prompt) for prompt in (prompts[i % len(prompts)] for i in range(count))]


def _summed_gradients(
    model: TunedUnet, text: TextStates, images: Latents, shown: list[Shown], config: SalUnConfig, workspace: Workspace
) -> dict[str, Tensor]:
    """The gradient of the forget loss at the original weights, summed over all images to forget."""
    import torch

    from erasebench.training.loop import reproducible
    from erasebench.training.seeds import generator_of

    nothing = text.encode([""])
    with reproducible(workspace.device), workspace.progress(len(images), "salun: saliency") as progress:
        for number, chosen in enumerate(torch.arange(len(images)).split(config.batch_size)):
            x = images.noised(chosen, generator_of(workspace, "salun: saliency", number))
            concept = text.encode([shown[i].prompt for i in chosen.tolist()])
            value = mask_loss(model.eps, x, concept, nothing.expand_as(concept), config.mask_guidance)
            torch.autograd.backward(value)
            progress(len(chosen))
    gradients = {
        name: torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.clone()
        for name, parameter in model.parameters.items()
    }
    for parameter in model.parameters.values():
        parameter.grad = None
    return gradients
