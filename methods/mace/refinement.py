"""Stage 1, closed-form refinement: the words around a concept's phrase stop carrying it (paper, section 4.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from erasebench.editing.gram import EditSums
from erasebench.editing.solve import transfer_matrix
from erasebench.editing.text_states import TextStates
from erasebench.editing.tokens import PromptPair, aligned_positions, differing_spans, prompt_ids
from erasebench.editing.transfer import edited

from .config import MaceConfig
from .prompts import Prior

HINT = (
    "Raise mace.ridge_refinement (1 is enough on Stable Diffusion) or mace.prior_weight_refinement, "
    "or set mace.allow_ill_conditioned=true."
)


def co_occurring_tokens(text: TextStates, pairs: Sequence[PromptPair], config: MaceConfig) -> tuple[Tensor, Tensor]:
    """x, y [n, d] of one concept: the states of the words around it, in the erased and in the anchored prompts."""
    spans = [spans_of(text, pair, config) for pair in pairs]
    erased = text.encode([pair.erased for pair in pairs])
    anchored = text.encode([pair.anchored for pair in pairs])
    return aligned_states(erased, anchored, spans)


def spans_of(text: TextStates, pair: PromptPair, config: MaceConfig) -> tuple[range, range]:
    """What of the erased and of the anchored prompt is the concept: the rest is what they have in common."""
    if config.common_tokens == "ids":
        return differing_spans(prompt_ids(text.tokenizer, pair.erased), prompt_ids(text.tokenizer, pair.anchored))
    return pair.erased_span, pair.anchored_span


def aligned_states(erased: Tensor, anchored: Tensor, spans: Sequence[tuple[range, range]]) -> tuple[Tensor, Tensor]:
    """x, y [n, d]: the states outside the spans, token by token, of P prompts [P, L, d] and their anchored ones."""
    positions = [aligned_positions(*own, erased.shape[1]) for own in spans]
    return (
        torch.cat([states[here] for states, (here, _) in zip(erased, positions, strict=True)]),
        torch.cat([states[there] for states, (_, there) in zip(anchored, positions, strict=True)]),
    )


def refine(
    original: Mapping[str, Tensor], concepts: Iterable[tuple[Tensor, Tensor]], prior: Prior, config: MaceConfig
) -> tuple[dict[str, Tensor], float]:
    """W_r = W (sum y x^T + p G_prior + l I)(sum x x^T + p G_prior + l I)^-1 for every projection W [out, d].

    `concepts` gives, one at a time, the aligned states x, y [n, d] of each. Returns the refined weights (float64) and
    the solve's condition number.
    """
    sums = EditSums(len(prior.gram), prior.gram.device)
    for x, y in concepts:
        sums.map_to(x, y)
    sums.preserve(prior.gram, config.prior_weight_refinement)
    sums.ridge(config.ridge_refinement)
    transfer, condition = transfer_matrix(
        sums, what="MACE's refinement", hint=HINT, allow_ill_conditioned=config.allow_ill_conditioned
    )
    return edited(original, transfer), condition
