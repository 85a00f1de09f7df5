"""The prompt pairs of each concept and the prior that both closed forms preserve."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from erasebench.api.concepts import Concept, ErasureTask, Kind
from erasebench.editing.gram import streamed_gram
from erasebench.editing.templates import built_in_templates
from erasebench.editing.text_states import TextStates
from erasebench.editing.tokens import PromptPair, fill, pair_prompts
from erasebench.errors import UserError
from erasebench.identity import digest

from .config import MaceConfig


def templates_of(kind: Kind, config: MaceConfig) -> tuple[str, ...]:
    """The configured number of templates. UserError if the list is shorter than that."""
    templates = config.templates or built_in_templates(kind)
    if len(templates) < config.prompts_per_concept:
        raise UserError(
            f"mace.prompts_per_concept is {config.prompts_per_concept}, but there are {len(templates)} templates.",
            f"Give at most {len(templates)}, or give mace.templates.",
        )
    return templates[: config.prompts_per_concept]


def prompt_pairs(
    text: TextStates, concept: Concept, config: MaceConfig, templates: Sequence[str] | None = None
) -> list[PromptPair]:
    """The concept in its templates (none: those of its kind), each beside the same prompt with the anchor."""
    return [
        pair_prompts(text.tokenizer, template, concept.name, concept.anchor)
        for template in templates or templates_of(concept.kind, config)
    ]


@dataclass(frozen=True)
class Prior:
    """Gram matrix [d, d] of what is to be preserved, and how it came about."""

    gram: Tensor
    record: dict[str, object]


def prior_of(text: TextStates, task: ErasureTask, config: MaceConfig, device: torch.device) -> Prior:
    """G_prior = scale * Gram(prior captions) + w * Gram(kept names in the templates), all tokens, float64.

    `scale` makes the captions at hand count as many as the published sums do (config.prior_caption_scale).
    """
    captions = task.prior_captions[: config.prior_captions]
    kept = _domain_prompts(task, config) if config.domain_weight > 0 else ()
    if config.prior_weight_refinement == config.prior_weight_fusion == 0:
        captions, kept = (), ()
    gram = prior_gram(
        text.batches(captions),
        text.batches(kept),
        caption_weight=config.prior_caption_scale / max(len(captions), 1),
        domain_weight=config.domain_weight,
        width=text.width,
        device=device,
    )
    return Prior(
        gram,
        {
            "captions": len(captions),
            "captions_digest": digest(list(task.prior_captions[: config.prior_captions])),
            "kept_names": list(task.keep),
            "kept_prompts": len(kept),
            "trace": float(gram.trace()),
        },
    )


def prior_gram(
    captions: Iterable[Tensor],
    kept: Iterable[Tensor],
    *,
    caption_weight: float,
    domain_weight: float,
    width: int,
    device: torch.device,
) -> Tensor:
    """G_prior [d, d] float64 from batches of states [n, L, d]: caption_weight Gram(captions) + w Gram(kept)."""
    gram = caption_weight * streamed_gram(captions, width, device)
    gram += domain_weight * streamed_gram(kept, width, device)
    return gram


def _domain_prompts(task: ErasureTask, config: MaceConfig) -> Sequence[str]:
    templates = (config.templates or built_in_templates(task.kind))[: config.domain_prompts]
    return [fill(template, name) for name in task.keep for template in templates]
