"""Every setting of MACE (CVPR 2024, arXiv 2403.06135), with its source and unit."""

from __future__ import annotations

from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import model_validator

from erasebench.editing.config import ClosedFormConfig
from erasebench.editing.tokens import PLACEHOLDER
from erasebench.errors import UserError
from erasebench.identity import identity_field

from .evaluation_templates import is_evaluation_template
from .key import KEY_VARIABLE, prompt_key

REFUSED = {
    "joint_training": "one LoRA per concept, trained in one batch, is what the paper describes",
    "zero_latents": "training images come from the model itself (n_images, data_steps, data_guidance)",
    "prior_loss": "class images with a prior loss are off in every published run; prior_weight_* preserve instead",
}


class MaceConfig(ClosedFormConfig):
    """Settings in the order of the algorithm: prompts, images, refinement, LoRAs, fusion, then how it is run."""

    templates: tuple[str, ...] | None = identity_field(
        None, "Prompt templates with '{}' for the concept; none: the built-in list of its kind", source="ours"
    )
    prompts_per_concept: int = identity_field(
        30, "Prompts for each concept: the first templates of the list", source="published runs", unit="prompts", ge=1
    )
    prompt_endpoint: str | None = identity_field(
        None,
        "Address of an OpenAI-compatible API (http://host:port/v1) that writes each concept's prompts; none: the "
        f"templates. Its key is read from the environment variable {KEY_VARIABLE}",
        source="ours; a language model wrote the paper's prompts",
    )
    prompt_model: str | None = identity_field(
        None, "The model at prompt_endpoint that writes the prompts", source="ours"
    )

    n_images: int = identity_field(8, "Training images per concept", source="published runs", unit="images", ge=1)
    data_steps: int | None = identity_field(
        30, "Sampling steps of a training image; none: the world's own", source="published runs", unit="steps"
    )
    data_guidance: float | None = identity_field(
        7.5, "Guidance scale of a training image; none: the world's own", source="published runs"
    )
    data_scheduler: Literal["ddim", "dpmsolver++"] = identity_field(
        "dpmsolver++", "Sampler of the training images", source="published runs"
    )
    detection_threshold: float = identity_field(
        0.3,
        "Boxes with a lower score are ignored; a segmenter reports none below its own threshold (0.3 for photographs)",
        source="published runs",
        unit="score in [0, 1]",
        ge=0,
        le=1,
    )
    boxes: Literal["union", "best"] = identity_field(
        "union",
        "Mask from all boxes (the paper's script) or from the best box's largest contour (its newer script)",
        source="released scripts",
    )
    on_no_detection: Literal["whole-image", "drop", "error"] = identity_field(
        "whole-image", "What to do with an image on which the concept was not found", source="released script"
    )
    image_normalisation: Literal["vae", "imagenet"] = identity_field(
        "vae",
        "Training images in the autoencoder's [-1, 1], or with ImageNet's mean and deviation as in the release",
        source="ours; 'imagenet' in the released code",
    )

    common_tokens: Literal["phrase", "ids"] = identity_field(
        "phrase",
        "Which words of a prompt surround the concept. phrase: all except the phrase, as in the paper; ids: all whose "
        "token ids agree from either end, so that a word which phrase and anchor share there ('the red sea', 'the blue "
        "sea') counts too. No published pair shares one",
        source="paper; 'ids' in the released code",
    )
    prior_weight_refinement: float = identity_field(
        0.0,
        "p of the refinement: weight of the prior Gram matrix (the release applies its p twice here)",
        source="published runs on objects: 0",
        ge=0,
    )
    ridge_refinement: float = identity_field(
        1.0, "l of the refinement: weight of staying near the original weights", source="ours; 0 for people", ge=0
    )
    domain_weight: float = identity_field(
        0.0, "w: weight of the kept names' captions inside the prior", source="published runs, by scale", ge=0
    )
    domain_prompts: int = identity_field(
        30, "Templates filled with each kept name", source="ours (unpublished)", unit="prompts", ge=1
    )
    prior_captions: int | None = identity_field(
        None,
        "Use only this many of the world's prior captions, the first ones; none: all",
        source="ours",
        unit="captions",
        ge=0,
    )
    prior_caption_scale: float = identity_field(
        616_767.0,
        "Captions that p is quoted for: the prior's sum over n captions is multiplied by this over n, so that p means "
        "the same for a prior of any size (COCO-2014 train and val have 616,767; the published sums are raw)",
        source="published runs",
        unit="captions",
        gt=0,
    )

    rank: int = identity_field(1, "Rank r of each LoRA", source="published runs", ge=1)
    learning_rate: float = identity_field(
        1e-4, "AdamW's constant learning rate", source="published runs: 1e-4, objects and explicit 1e-5", gt=0
    )
    value_rate: float = identity_field(
        1.0,
        "Share of the learning rate for value projections; 0 trains only keys. The loss is of attention maps, which a "
        "value affects only through later layers, but Adam moves it as far as a key",
        source="published runs: 1",
        ge=0,
        le=1,
    )
    steps: int = identity_field(
        50, "LoRA steps per concept", source="published runs: 50, explicit 120", unit="steps", ge=1
    )
    weight_decay: float = identity_field(0.01, "AdamW's weight decay", source="published runs", ge=0)
    beta1: float = identity_field(0.9, "AdamW's first moment decay", source="published runs", ge=0, lt=1)
    beta2: float = identity_field(0.999, "AdamW's second moment decay", source="published runs", ge=0, lt=1)
    gradient_clip: float = identity_field(1.0, "Largest gradient norm per concept", source="published runs", gt=0)
    use_pooler: bool = identity_field(
        True, "Also suppress attention to the end-of-text token and its padding", source="published runs"
    )
    focal_sampling: bool = identity_field(
        True, "Concept-focal timestep sampling; off: uniform", source="paper; off for explicit"
    )
    focal_start: float = identity_field(200.0, "Where the focal density rises", source="paper", unit="timestep")
    focal_end: float = identity_field(400.0, "Where the focal density falls", source="paper", unit="timestep")
    focal_slope: float = identity_field(0.05, "Steepness of both flanks", source="paper", unit="1 / timestep", gt=0)

    fusion: Literal["closed-form", "naive-sum", "refinement-only"] = identity_field(
        "closed-form",
        "How the LoRAs are joined: the method; their plain sum; or no LoRA at all (the paper's ablation)",
        source="paper",
    )
    prior_weight_fusion: float = identity_field(
        1e-4, "p of the fusion: weight of the prior Gram matrix", source="published runs", ge=0
    )
    ridge_fusion: float = identity_field(
        0.0, "l of the fusion: weight of staying near the refined weights", source="published runs", ge=0
    )

    joint_training: bool = identity_field(False, f"Refused: {REFUSED['joint_training']}", source="off when published")
    zero_latents: bool = identity_field(False, f"Refused: {REFUSED['zero_latents']}", source="off when published")
    prior_loss: bool = identity_field(False, f"Refused: {REFUSED['prior_loss']}", source="off when published")

    # Batch shapes change results in the last digits, so this is part of the identity.
    concepts_per_batch: int = identity_field(
        10,
        "Concepts whose LoRAs train in one U-Net batch; fewer need less memory",
        source="ours",
        unit="concepts",
        ge=1,
    )

    @model_validator(mode="after")
    def _supported(self) -> Self:
        for name, reason in REFUSED.items():
            if getattr(self, name):
                raise UserError(f"mace.{name} is not supported: {reason}.", f"Leave mace.{name} at false.")
        for template in self.templates or ():
            if template.count(PLACEHOLDER) != 1:
                raise UserError(
                    f"mace.templates: {template!r} must contain '{{}}' exactly once.", "Correct that template."
                )
            if is_evaluation_template(template):
                raise UserError(
                    f"mace.templates: {template!r} is an evaluation prompt of a suite.", "Give another template."
                )
        self._check_endpoint()
        if not self.focal_start < self.focal_end:
            raise UserError(
                f"mace.focal_start {self.focal_start} is not below mace.focal_end {self.focal_end}.", "Swap the two."
            )
        return self

    def _check_endpoint(self) -> None:
        if (self.prompt_endpoint is None) != (self.prompt_model is None):
            raise UserError(
                "mace.prompt_endpoint and mace.prompt_model must be given together.",
                "Give both, or neither to use the templates.",
            )
        if self.prompt_endpoint is not None:
            if self.templates is not None:
                raise UserError("Both mace.templates and mace.prompt_endpoint are given.", "Give one of them.")
            _check_address(self.prompt_endpoint)
            prompt_key()


def _check_address(address: str) -> None:
    """UserError for anything but a plain http(s) address: settings are recorded, so they must hold no secret."""
    hint = f"Give it as http://host:port/v1; put a key into the environment variable {KEY_VARIABLE}."
    try:
        parts = urlsplit(address)
        plain = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError as error:
        raise UserError(f"mace.prompt_endpoint is not a valid address ({error}).", hint) from error
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UserError("mace.prompt_endpoint contains more than an address (a user, a password, a query).", hint)
    if not plain:
        raise UserError(f"mace.prompt_endpoint '{address}' is not an http address.", hint)
