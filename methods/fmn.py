"""fmn: Forget-Me-Not (Zhang et al., CVPR workshops 2024, arXiv 2303.17591), attention re-steering."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from erasebench.concepts import ErasureTask, Kind
from erasebench.errors import UserError, did_you_mean
from erasebench.identity import identity_field
from erasebench.method import Method, MethodConfig, Workspace
from erasebench.training.config import TrainingConfig, scaled_to_miniature

if TYPE_CHECKING:
    import torch
    from diffusers import StableDiffusionPipeline
    from torch import Tensor

    from erasebench.erasure import Erasure
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

    `maps`: attention probabilities [n, heads, pixels, tokens] of each attn2; `tokens`: bool [n, tokens]. No mask.
    """
    squares = [(attention * tokens[:, None, None, :]).square().flatten(1).sum(dim=1) for attention in maps]
    total: Tensor = sum(squares[1:], squares[0])
    return total.sqrt()


class ForgetMeNot(Method):
    """Lowers the attention that images of a concept pay to the concept's tokens."""

    name: ClassVar[str] = "fmn"
    kinds: ClassVar[frozenset[Kind]] = frozenset(("object", "person", "style", "explicit"))
    Config: ClassVar[type[MethodConfig]] = ForgetMeNotConfig

    @classmethod
    def recipe(cls, *, world: str, kind: Kind, n_concepts: int, variant: str = "default") -> MethodConfig:
        """35 steps for each concept, in the miniature as many as fit a minute; 'inverted': the names inverted first."""
        if variant not in ("default", "inverted"):
            raise UserError(f"{cls.name} has no recipe '{variant}'.", did_you_mean(variant, ["default", "inverted"]))
        published = ForgetMeNotConfig(steps=35 * n_concepts, inversion_steps=500 if variant == "inverted" else 0)
        if world != "miniature":
            return published
        return scaled_to_miniature(published, steps=60, batch_size=8, n_images=max(1, min(8, 200 // n_concepts)))

    def touches(self, parameter: str) -> bool:
        """The U-Net, or its attn2."""
        return parameter.startswith("unet.") and (self.config.weights == "unet" or ".attn2." in parameter)

    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        """The tuned weights; each sample is of one concept, drawn at random. Resumes; UserError as in fit."""
        import torch

        from erasebench.editing.cross_attention import recorded_attention
        from erasebench.editing.text_states import TextStates
        from erasebench.editing.tokens import end_of_text, fill, phrase_span
        from erasebench.erasure import Erasure
        from erasebench.templates import built_in_templates, data_prompt
        from erasebench.training.images import Latents, painted
        from erasebench.training.inversion import InvertedPhrases
        from erasebench.training.loop import fit
        from erasebench.training.tuning import frozen, tuned

        config: ForgetMeNotConfig = self.config
        text, templates = TextStates(pipeline), built_in_templates(task.kind)
        names = [concept.name for concept in task.concepts]
        shown = [data_prompt(task.kind, name) for name in names for _ in range(config.n_images)]
        images = Latents(pipeline, painted(shown, workspace, self.name))

        def draw(generator: torch.Generator) -> tuple[NoisedImages, list[tuple[str, str]]]:
            chosen = torch.randint(len(images), (config.batch_size,), generator=generator)
            said = torch.randint(len(templates), (config.batch_size,), generator=generator)
            filled = [(templates[i], names[j // config.n_images]) for i, j in zip(said, chosen.tolist(), strict=True)]
            return images.noised(chosen, generator), filled

        inverted = InvertedPhrases(pipeline, names)
        if config.inversion_steps > 0:
            settings = {"steps": config.inversion_steps * len(names), "learning_rate": config.inversion_rate}
            inverting = config.model_copy(update=settings)

            def denoising(generator: torch.Generator) -> Tensor:
                x, filled = draw(generator)
                return (unet.eps(x.latents, x.timesteps, inverted.states(filled)) - x.noise).square().mean()

            with frozen(pipeline) as unet:
                fit(inverted.vectors, denoising, inverting, workspace, label=f"{self.name}, inversion", run="inversion")

        def suppressed(template: str, name: str) -> Tensor:
            tokens = torch.zeros(text.context, dtype=torch.bool)
            tokens[list(phrase_span(text.tokenizer, template, name))] = True
            if config.use_pooler:
                tokens[end_of_text(text.tokenizer, fill(template, name)) :] = True
            return tokens

        def loss(generator: torch.Generator) -> Tensor:
            x, filled = draw(generator)
            with torch.no_grad():
                states = inverted.states(filled)
            maps: list[Tensor] = []
            with recorded_attention(model.unet, lambda _, probabilities: maps.append(probabilities)):
                model.eps(x.latents, x.timesteps, states)
            return resteering_norm(maps, torch.stack([suppressed(*pair) for pair in filled]).to(states.device)).mean()

        with tuned(pipeline, self.touches) as model:
            losses = fit(model.parameters, loss, config, workspace, label=self.name)
            return Erasure(model.edit(), {"images": len(images), "losses": losses})
