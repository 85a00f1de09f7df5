"""fmn: Forget-Me-Not (Zhang et al., CVPR workshops 2024, arXiv 2303.17591), attention re-steering.

images <- the original model's, of each concept; where asked for, the concept's words inverted on them
in each step:
    c, x_t <- a concept at random in a template, and a noised image of it
    minimise ||what all pixels in all attn2 pay to the tokens of c||
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from erasebench.api.concepts import EVERY_KIND, ErasureTask, Kind
from erasebench.api.method import MethodConfig, Workspace
from erasebench.editing.parameters import is_cross_attention
from erasebench.editing.tokens import fill, phrase_span, suppressed_positions
from erasebench.identity import identity_field
from erasebench.training.config import TrainingConfig, scaled_to_miniature
from erasebench.training.method import TrainingMethod

if TYPE_CHECKING:
    import torch
    from diffusers import StableDiffusionPipeline
    from torch import Tensor

    from erasebench.api.erasure import Erasure
    from erasebench.training.images import NoisedImages


class ForgetMeNotConfig(TrainingConfig):
    """Defaults of the release's configuration for one concept."""

    steps: int = identity_field(35, "Steps; the recipe has 35 for each concept", source="release", unit="steps", ge=1)
    learning_rate: float = identity_field(2e-6, "AdamW's learning rate", source="release", gt=0)
    weight_decay: float = identity_field(0.01, "AdamW's weight decay", source="release", ge=0)
    gradient_clip: float | None = identity_field(1.0, "Largest norm of the gradient", source="release", gt=0)
    n_images: int = identity_field(
        8, "Images of each concept, painted by the original model", source="release: 8 to 10", unit="images", ge=1
    )
    use_pooler: bool = identity_field(
        True, "Also suppress attention to the end-of-text token and its padding", source="release"
    )
    inversion_steps: int = identity_field(
        0, "Textual inversion of each name before: 500 in the release, 0 for none", source="ours", unit="steps", ge=0
    )
    inversion_rate: float = identity_field(1e-3, "AdamW's rate of the textual inversion", source="release", gt=0)
    weights: Literal["unet", "attn2"] = identity_field("unet", "Tune the whole U-Net, or attn2 only", source="release")


def resteering_norm(maps: list[Tensor], tokens: Tensor) -> Tensor:
    """One norm for each sample, over the maps of all layers together: what any pixel pays to the marked tokens, [n].

    `maps`: attention probabilities [n, heads, pixels, tokens] of each attn2; `tokens`: bool [n, tokens]. No mask, and
    one norm; MACE sums a norm for each map, inside the concept's mask (mace/attention_loss.py).
    """
    squares = [(attention * tokens[:, None, None, :]).square().flatten(1).sum(dim=1) for attention in maps]
    total: Tensor = sum(squares[1:], squares[0])
    return total.sqrt()


class ForgetMeNot(TrainingMethod):
    """Lowers the attention that images of a concept pay to the concept's tokens."""

    name: ClassVar[str] = "fmn"
    kinds: ClassVar[frozenset[Kind]] = EVERY_KIND
    Config: ClassVar[type[MethodConfig]] = ForgetMeNotConfig

    @classmethod
    def recipe(cls, *, world: str, kind: Kind, n_concepts: int, variant: str = "default") -> MethodConfig:
        """35 steps for each concept, in the miniature as many as fit a minute; 'inverted': the names inverted first."""
        cls.check_variant(variant, "inverted")
        published = ForgetMeNotConfig(steps=35 * n_concepts, inversion_steps=500 if variant == "inverted" else 0)
        if world != "miniature":
            return published
        n_images = max(1, min(8, 200 // n_concepts))
        own = cls.chosen_settings(world, kind)
        return scaled_to_miniature(published, steps=60, batch_size=8, n_images=n_images, **own)

    def edits(self, parameter: str) -> bool:
        """The U-Net, or its attn2."""
        return parameter.startswith("unet.") if self.config.weights == "unet" else is_cross_attention(parameter)

    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        """The tuned weights; each sample is of one concept, drawn at random. Resumes; UserError as in fit."""
        import torch

        from erasebench.api.erasure import Erasure
        from erasebench.editing.cross_attention import recorded_attention
        from erasebench.editing.templates import built_in_templates, data_prompt
        from erasebench.training.images import encoded, generated
        from erasebench.training.inversion import InvertedPhrases
        from erasebench.training.loop import fit
        from erasebench.training.objectives import denoising_loss
        from erasebench.training.tuned_unet import frozen, tuned

        config: ForgetMeNotConfig = self.config
        # Before any image is painted for the training.
        self.check_model(pipeline)
        tokenizer, templates = pipeline.tokenizer, built_in_templates(task.kind)
        names = task.names
        shown = [data_prompt(task.kind, name) for name in names for _ in range(config.n_images)]
        images = encoded(pipeline, generated(shown, workspace, self.name))

        def draw(generator: torch.Generator) -> tuple[NoisedImages, list[tuple[str, str]]]:
            chosen, x = images.drawn(config.batch_size, generator)
            said = torch.randint(len(templates), (config.batch_size,), generator=generator)
            return x, [(templates[i], names[j // config.n_images]) for i, j in zip(said, chosen, strict=True)]

        inverted = InvertedPhrases(pipeline, names)
        if config.inversion_steps > 0:
            settings = {"steps": config.inversion_steps * len(names), "learning_rate": config.inversion_rate}
            inverting = config.model_copy(update=settings)

            def denoising(generator: torch.Generator) -> Tensor:
                x, filled = draw(generator)
                return denoising_loss(unet.eps, x, inverted.states(filled))

            with frozen(pipeline) as unet:
                fit(inverted.vectors, denoising, inverting, workspace, label=f"{self.name}, inversion", run="inversion")

        def loss(generator: torch.Generator) -> Tensor:
            x, filled = draw(generator)
            with torch.no_grad():
                states = inverted.states(filled)
            maps: list[Tensor] = []
            with recorded_attention(model.unet, lambda _, probabilities: maps.append(probabilities)):
                model.eps(x.latents, x.timesteps, states)
            tokens = [
                suppressed_positions(tokenizer, fill(*pair), phrase_span(tokenizer, *pair), config.use_pooler)
                for pair in filled
            ]
            return resteering_norm(maps, torch.tensor(tokens, device=states.device)).mean()

        with tuned(pipeline, self.edits) as model:
            losses = fit(model.parameters, loss, config, workspace, label=self.name)
            return Erasure(model.edit(), {"images": len(images), "losses": losses})
