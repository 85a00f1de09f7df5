"""RECE's start, derived embeddings and edits, epoch by epoch, against the official code (403a67f)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from erasebench.editing.transfer import edited, output_gram
from erasebench.methods.rece import EpochStates, ReceConfig, epochs_of, uce_settings
from erasebench.methods.uce import Edit, Phrase, uce_transfer
from erasebench.testing.oracle import Case
from tests.oracles.listing import cases, each

CPU = torch.device("cpu")
TOLERANCE = 1e-9
CASES = cases(
    "rece",
    {
        "standard": lambda case: case.name.startswith("variant-standard"),
        "surrogate-first": lambda case: case.name.startswith("variant-surrogate-first"),
        "published": lambda case: not case.name.startswith("variant-"),
    },
)


def by(transfer: Tensor, original: Tensor) -> Tensor:
    """The projections [K, o, d] as `transfer` edits them."""
    return torch.stack(list(edited({str(k): weight for k, weight in enumerate(original)}, transfer).values()))


def check(case: Case, **settings: Any) -> None:
    """A whole run: UCE's edit, then each epoch's derived states and weights."""
    config = ReceConfig(
        uce_ridge=case["uce_l"],
        uce_preserve_scale=case["uce_preserve_scale"],
        epochs=case["epochs"],
        regularisation=case["r"],
        ridge=case["l"],
        preserve_scale=case["preserve_scale"],
        **settings,
    )
    states, original = case["states"], case["W_old"]
    # n_tokens counts the start and the end token.
    phrases = [Phrase(own, int(n) - 2) for own, n in zip(states, case["n_tokens"], strict=True)]
    edits = [Edit(phrases[i], phrases[case["anchor"]]) for i in case["concepts"]]
    transfer, _ = uce_transfer(edits, [phrases[i] for i in case["keep_uce"]], uce_settings(config), CPU)
    read = EpochStates(
        concepts=states[case["concepts"]],
        anchor=states[case["anchor"]],
        # Every run keeps the blank prompt, and lists it first.
        blank=states[case["keep_epoch"][0]],
        kept=states[case["keep_epoch"]],
    )
    epochs = list(epochs_of(transfer, output_gram(original), read, config))
    case.check({"W_uce": by(transfer, original)}, tolerance=TOLERANCE, of=case["W_uce"] - original)
    case.check({"c_prime": torch.stack([epoch.derived for epoch in epochs])}, tolerance=TOLERANCE)
    case.check(
        {"W_epochs": torch.stack([by(epoch.transfer, original) for epoch in epochs])},
        tolerance=TOLERANCE,
        of=case["W_epochs"][0] - case["W_uce"],
    )


@each(CASES["published"])
def test_a_run_is_the_releases(case: Case) -> None:
    check(case)


@each(CASES["standard"])
def test_a_run_that_pulls_to_the_blank_prompt_is_the_releases(case: Case) -> None:
    check(case, regulariser="blank-prompt")


@each(CASES["surrogate-first"])
def test_a_run_that_pulls_to_the_concepts_outputs_is_the_releases(case: Case) -> None:
    check(case, regulariser="concept-outputs")
