"""RECE's start, derived embeddings and edits, epoch by epoch, against the official code (403a67f)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from erasebench.api.concepts import Concept, ErasureTask, Kind
from erasebench.editing.transfer import edited, output_gram
from erasebench.methods.rece import HARD_OBJECTS, EpochStates, Rece, ReceConfig, epochs_of, kept_in_epochs, uce_settings
from erasebench.methods.uce import Edit, Phrase, preserve_scale, uce_transfer
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
# By the beginning of a case's name: the kind, and each r of a published run.
KINDS: dict[str, tuple[Kind, tuple[float, ...]]] = {
    "explicit": ("explicit", (0.1,)),
    "object": ("object", (0.1, 1e-3)),
    "persons": ("person", (1e-3,)),
    "style": ("style", (1e-3,)),
}
HARD_R = 1e-3


def kind_of(case: Case) -> Kind | None:
    """The kind whose published r and epochs the case was run with; None where it has others."""
    kind, rs = KINDS.get(case.name.partition("-")[0], (None, ()))
    explicit_epochs = 3 if len(case["concepts"]) == 1 else 2
    return kind if case["r"] in rs and case["epochs"] == (explicit_epochs if kind == "explicit" else 1) else None


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


@each([case for case in CASES["published"] if kind_of(case)])
def test_the_recipe_has_what_the_published_run_has(case: Case) -> None:
    kind = kind_of(case)
    assert kind is not None
    n_concepts, n_tokens = len(case["concepts"]), case["n_tokens"]
    variant = HARD_OBJECTS if kind == "object" and case["r"] == HARD_R else "default"
    config = Rece.recipe(world="stable-diffusion-v1-4", kind=kind, n_concepts=n_concepts, variant=variant)
    uce_kept, kept = case["keep_uce"].tolist(), case["keep_epoch"].tolist()
    case.check(
        {
            "r": config.regularisation,
            "epochs": config.epochs,
            "l": config.ridge,
            "preserve_scale": config.preserve_scale,
            "uce_l": config.uce_ridge,
            "uce_preserve_scale": preserve_scale(len(uce_kept), uce_settings(config)),
        },
        tolerance=0,
    )
    # A prompt of start and end token alone is blank.
    assert config.anchor == ("art" if n_tokens[case["anchor"]] > 2 else "blank")
    names = [f"name {i}" for i in uce_kept if n_tokens[i] > 2]
    assert config.uce_keeps_names or not names
    concepts = [Concept(name=f"concept {i}", kind=kind, anchor="") for i in range(n_concepts)]
    given = kept_in_epochs(ErasureTask(concepts=tuple(concepts), keep=tuple(names)), config)
    assert [text.strip() for text in given] == [f"name {i}" if n_tokens[i] > 2 else "" for i in kept]


@each(CASES["standard"])
def test_a_run_that_pulls_to_the_blank_prompt_is_the_releases(case: Case) -> None:
    check(case, regulariser="blank-prompt")


@each(CASES["surrogate-first"])
def test_a_run_that_pulls_to_the_concepts_outputs_is_the_releases(case: Case) -> None:
    check(case, regulariser="concept-outputs")
