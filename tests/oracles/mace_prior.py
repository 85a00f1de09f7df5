"""The prior of a case of MACE, which its refinement and its fusion share."""

from __future__ import annotations

import torch

from erasebench.methods.mace.prompts import Prior, prior_gram
from erasebench.testing.oracle import Case


def prior_of(case: Case) -> Prior:
    """Gram(prior) + w Gram(domain), [d, d]."""
    gram = prior_gram(
        [case["prior"]],
        [case["domain"]],
        caption_weight=1.0,
        domain_weight=case["w"],
        width=case["W_0"].shape[-1],
        device=torch.device("cpu"),
    )
    return Prior(gram, {})
