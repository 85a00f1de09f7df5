"""salun: SalUn, saliency unlearning (Fan et al., ICLR 2024, arXiv 2310.12508).

images <- the original model's, of the concepts (x) and of what is to remain (y)
mask <- the half of the weights with the largest gradient of the guided denoising loss, summed over all x
in each step, over the masked weights alone:
    minimise ||eps(x_t, c) - stopgrad eps(x_t, anchor of c)||^2 + w ||eps(y_t, its prompt) - noise||^2

The anchors are the suite's. The release has its own: 'a photo of a person wearing clothes' for 'a photo of a nude
person', and for one of its ten objects the next. It also forgets objects on real pictures, where these are painted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from itertools import zip_longest
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from erasebench.api.concepts import EVERY_KIND, ErasureTask, Kind
from erasebench.api.method import MethodConfig, Workspace
from erasebench.identity import identity_field
from erasebench.training.config import TrainingConfig, scaled_to_miniature
from erasebench.training.method import TrainingMethod
from erasebench.training.objectives import denoising_loss, guided

if TYPE_CHECKING:
    import torch
    from diffusers import StableDiffusionPipeline
    from torch import Tensor

    from erasebench.api.erasure import Erasure
    from erasebench.editing.text_states import TextStates
    from erasebench.training.images import Latents, NoisedImages
    from erasebench.training.objectives import Eps
    from erasebench.training.tuned_unet import TunedUnet


class SalUnConfig(TrainingConfig):
    """Defaults of the release's Stable Diffusion scripts."""

    steps: int = identity_field(
        500, "Steps: five epochs of 800 images; explicit 100, one epoch", source="release", unit="steps", ge=1
    )
    learning_rate: float = identity_field(1e-5, "Adam's learning rate", source="release", gt=0)
    batch_size: int = identity_field(8, "Images to forget, and as many to remain", source="release", ge=1)
    n_images: int = identity_field(
        800, "Images to forget over all concepts, and as many to remain", source="release", unit="images", ge=1
    )
    mask_share: float = identity_field(
        0.5, "Share of the weights that are tuned, rounded down to whole weights", source="paper; release", gt=0, le=1
    )
    mask_guidance: float = identity_field(7.5, "Guidance of the forget loss behind the mask", source="release", ge=0)
    remain_weight: float = identity_field(0.5, "Weight of the remain loss; explicit 0.1", source="release", ge=0)
    posterior_samples: Literal["one", "two"] = identity_field(
        "one",
        "Samples of the autoencoder's posterior behind the forget loss: one, so that both sides have the paper's one "
        "x_t; or, as released, two: the target at another latent of the same image, timestep and noise",
        source="paper",
    )


class Shown(NamedTuple):
    """A sampled image's prompt, and the same prompt with the substitute where it is to be forgotten."""

    prompt: str
    substitute: str


def mask_loss(eps: Eps, x: NoisedImages, concept: Tensor, nothing: Tensor, guidance: float) -> Tensor:
    """-MSE of the guided prediction (1 + g) eps(x_t, c) - g eps(x_t, none) to the noise that is in x_t."""
    with_concept, without = eps(x.latents, x.timesteps, concept), eps(x.latents, x.timesteps, nothing)
    return -(guided(without, with_concept, 1 + guidance) - x.target).square().mean()


def summed_gradients(losses: Iterable[Tensor], parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The gradient of the sum of `losses`, one batch's after the other, by the parameter's name; 0 where none has any.

    `losses` is read as it goes, so that one batch is in memory at a time. The parameters are left without a gradient.
    """
    import torch

    for value in losses:
        torch.autograd.backward(value)
    gradients = {
        name: torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.clone()
        for name, parameter in parameters.items()
    }
    for parameter in parameters.values():
        parameter.grad = None
    return gradients


def saliency_mask(gradients: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """True at the floor(share n) of all n weights together whose summed gradient is largest in size.

    Weights as large as the largest that is left out stay out too, so that fewer are tuned where there are ties; the
    release keeps some of them, in no order that it promises.
    """
    import torch

    sizes = torch.cat([gradient.detach().abs().flatten().cpu() for gradient in gradients.values()])
    # As a decimal: 0.29 x 100 is 28.999999999999996 in floats.
    left_out = len(sizes) - math.floor(Fraction(str(share)) * len(sizes))
    threshold = sizes.kthvalue(left_out).values if left_out else sizes.new_tensor(-1.0)
    return {name: gradient.abs() > threshold.to(gradient.device) for name, gradient in gradients.items()}


def forget_loss(eps: Eps, x: NoisedImages, x_target: NoisedImages, concept: Tensor, substitute: Tensor) -> Tensor:
    """||eps(x_t, c) - stopgrad eps(x'_t, anchor)||^2, the same network on both sides, as a mean over all elements.

    `x_target` is x, or in the release x with another sample of the autoencoder's posterior; states [n, tokens, d].
    """
    import torch

    with torch.no_grad():
        target = eps(x_target.latents, x_target.timesteps, substitute)
    return (eps(x.latents, x.timesteps, concept) - target).square().mean()


class Batch(NamedTuple):
    """What a step sees: x_t to forget, x'_t of the target and y_t to remain, with their text states [n, tokens, d]."""

    x: NoisedImages
    x_target: NoisedImages
    concept: Tensor
    substitute: Tensor
    y: NoisedImages
    remain: Tensor


def salun_loss(eps: Eps, batch: Batch, remain_weight: float) -> Tensor:
    """The forget loss + w ||eps(y_t, its prompt) - noise||^2 (SalUn, the loss for diffusion models)."""
    forgetting = forget_loss(eps, batch.x, batch.x_target, batch.concept, batch.substitute)
    return forgetting + remain_weight * denoising_loss(eps, batch.y, batch.remain)


class SalUn(TrainingMethod):
    """Tunes the weights that matter most for a concept, and those alone, towards its anchor."""

    name: ClassVar[str] = "salun"
    kinds: ClassVar[frozenset[Kind]] = EVERY_KIND
    Config: ClassVar[type[MethodConfig]] = SalUnConfig

    @classmethod
    def recipe(cls, *, world: str, kind: Kind, n_concepts: int, variant: str = "default") -> MethodConfig:
        """Paper and release for the kind; 'as-released' with the release's two samples of each image.

        In the miniature at least one image of each concept.
        """
        cls.check_variant(variant, "as-released")
        published = SalUnConfig(
            steps=100 if kind == "explicit" else 500,
            remain_weight=0.1 if kind == "explicit" else 0.5,
            posterior_samples="two" if variant == "as-released" else "one",
        )
        if world != "miniature":
            return published
        own = cls.chosen_settings(world, kind)
        return scaled_to_miniature(published, steps=40, batch_size=8, n_images=max(64, n_concepts), **own)

    def edits(self, parameter: str) -> bool:
        """The whole U-Net; half of its elements at most."""
        return parameter.startswith("unet.")

    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        """The tuned weights. The mask is computed anew by a resumed run, with the same bits; UserError as in fit."""
        import torch

        from erasebench.api.erasure import Erasure
        from erasebench.editing.text_states import TextStates
        from erasebench.training.images import encoded, generated
        from erasebench.training.loop import fit
        from erasebench.training.tuned_unet import tuned

        config: SalUnConfig = self.config
        # Before any image is sampled for the training.
        self.check_model(pipeline)
        text = TextStates(pipeline, remembered=0)
        forget, remain = _to_forget(task, config.n_images), _to_remain(task, config.n_images)
        forgotten = encoded(pipeline, generated([shown.prompt for shown in forget], workspace, f"{self.name}, forget"))
        remaining = encoded(pipeline, generated([shown.prompt for shown in remain], workspace, f"{self.name}, remain"))

        def loss(generator: torch.Generator) -> Tensor:
            chosen, x = forgotten.drawn(config.batch_size, generator)
            kept, y = remaining.drawn(config.batch_size, generator)
            two = config.posterior_samples == "two"
            x_target = forgotten.encoded_anew(torch.tensor(chosen), x, generator) if two else x
            concept = text.encode([forget[i].prompt for i in chosen])
            substitute = text.encode([forget[i].substitute for i in chosen])
            batch = Batch(x, x_target, concept, substitute, y, text.encode([remain[i].prompt for i in kept]))
            return salun_loss(model.eps, batch, config.remain_weight)

        with tuned(pipeline, self.edits) as model:
            masks = saliency_mask(
                _forget_gradients(model, text, forgotten, forget, config, workspace), config.mask_share
            )
            losses = fit(model.parameters, loss, config, workspace, label=self.name, masks=masks)
            tuned_share = sum(int(mask.sum()) for mask in masks.values()) / sum(mask.numel() for mask in masks.values())
            return Erasure(model.edit(), {"anchors": task.anchors, "tuned_share": tuned_share, "losses": losses})


def _to_forget(task: ErasureTask, count: int) -> list[Shown]:
    """The concepts in turn, each time in another template."""
    from erasebench.editing.templates import built_in_templates
    from erasebench.editing.tokens import fill

    templates = built_in_templates(task.kind)
    turns = [(templates[i // len(task.concepts) % len(templates)], i % len(task.concepts)) for i in range(count)]
    return [Shown(fill(t, task.concepts[i].name), fill(t, task.concepts[i].anchor)) for t, i in turns]


def _to_remain(task: ErasureTask, count: int) -> list[Shown]:
    """The kept names and the prior captions in turn; without either, the anchors."""
    from erasebench.editing.templates import built_in_templates
    from erasebench.editing.tokens import fill

    templates = built_in_templates(task.kind)
    names = task.keep or (() if task.prior_captions else tuple(task.anchors.values()))
    shown = [fill(templates[i % len(templates)], name) for i, name in enumerate(names)]
    turns = zip_longest(shown, task.prior_captions)
    prompts = [prompt for turn in turns for prompt in turn if prompt is not None]
    return [Shown(prompt, prompt) for prompt in (prompts[i % len(prompts)] for i in range(count))]


def _forget_gradients(
    model: TunedUnet, text: TextStates, images: Latents, shown: list[Shown], config: SalUnConfig, workspace: Workspace
) -> dict[str, Tensor]:
    """The gradient of the forget loss at the original weights, summed over all images to forget."""
    import torch

    from erasebench.training.loop import reproducible
    from erasebench.training.seeds import generator_of

    nothing = text.encode([""])

    def losses() -> Iterator[Tensor]:
        for number, chosen in enumerate(torch.arange(len(images)).split(config.batch_size)):
            x = images.noised(chosen, generator_of(workspace, "salun: saliency", number))
            concept = text.encode([shown[i].prompt for i in chosen.tolist()])
            yield mask_loss(model.eps, x, concept, nothing.expand_as(concept), config.mask_guidance)
            progress(len(chosen))

    with reproducible(workspace.device), workspace.progress(len(images), "salun: saliency") as progress:
        return summed_gradients(losses(), model.parameters)
