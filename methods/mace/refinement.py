"""Stage 1, closed-form refinement: the words around a concept's phrase stop carrying it (paper, section 4.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from erasebench.editing.gram import EditSums
from erasebench.editing.solve import transfer_matrix
from erasebench.editing.text_states import TextStates
from erasebench.editing.tokens import PromptPair, aligned_positions

from .config import MaceConfig
from .prompts import Prior

MEND = (
    "Raise mace.ridge_refinement (1 is enough on Stable Diffusion) or mace.prior_weight_refinement, "
    "or set mace.allow_ill_conditioned=true."
)


def send_co_occurring(sums: EditSums, text: TextStates, pairs: Sequence[PromptPair]) -> None:
    """Add one concept: each co-occurring token x of an erased prompt goes to its aligned y in the anchored one."""
    erased = text.encode([pair.erased for pair in pairs])
    anchored = text.encode([pair.anchored for pair in pairs])
    positions = [aligned_positions(pair, text.context) for pair in pairs]
    sums.send(
        torch.cat([states[here] for states, (here, _) in zip(erased, positions, strict=True)]),
        torch.cat([states[there] for states, (_, there) in zip(anchored, positions, strict=True)]),
    )


def refine(
    original: Mapping[str, Tensor],
    text: TextStates,
    pairs: Mapping[str, Sequence[PromptPair]],
    prior: Prior,
    config: MaceConfig,
) -> tuple[dict[str, Tensor], float]:
    """W_r = W (sum y x^T + p G_prior + l I)(sum x x^T + p G_prior + l I)^-1 for every projection W [out, d].

    `pairs` are the prompt pairs by concept. Returns the refined weights (float64) and the solve's condition number.
    """
    sums = EditSums(text.width, prior.gram.device)
    for concept_pairs in pairs.values():
        send_co_occurring(sums, text, concept_pairs)
    sums.preserve(prior.gram, config.prior_weight_refinement)
    sums.stay(config.ridge_refinement)
    transfer, condition = transfer_matrix(
        sums, what="MACE's refinement", mend=MEND, allow_ill_conditioned=config.allow_ill_conditioned
    )
    return {name: weight.double() @ transfer for name, weight in original.items()}, condition
