"""UCE's closed form against both releases: older 35e91e2 and newer 28c81ed, FLUX included."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from erasebench.editing.transfer import edited
from erasebench.methods.uce import Edit, Phrase, Release, UceConfig, preserve_scale, uce_transfer
from erasebench.testing.oracle import Case
from tests.oracles.listing import cases, each, each_differs

CPU = torch.device("cpu")
TOLERANCE = 1e-10


def has_bias(case: Case) -> bool:
    return any(bool(case[symbol].any()) for symbol in case.symbols if symbol.startswith("b_"))


CASES = cases(
    "uce",
    {
        "flux": lambda case: "W_context" in case and not has_bias(case),
        "flux with a bias": lambda case: "W_context" in case and has_bias(case),
        "sdxl": lambda case: "states_1" in case,
        "newer": lambda case: case.name.startswith("newer") and "W_0" in case and "states" in case,
        "older": lambda case: case.name.startswith("older") and "W_0" in case,
    },
)


def edited_by_uce(case: Case, weights: Sequence[Tensor], phrases: Sequence[Phrase], release: Release) -> list[Tensor]:
    """`weights` [o, d] after the case's edit on the phrases of all its prompts."""
    # What the release's rule for s gives, as its page has it.
    ruled = max(0.1, 1 / max(1, len(case["keep"]))) if release == "older" else 1.0
    given = None if math.isclose(case["preserve_scale"], ruled) else case["preserve_scale"]
    config = UceConfig(release=release, ridge=case["l"], erase_scale=case["erase_scale"], preserve_scale=given)
    assert preserve_scale(len(case["keep"]), config) == pytest.approx(case["preserve_scale"], rel=TOLERANCE)
    edits = [Edit(phrases[here], phrases[there]) for here, there in zip(case["erase"], case["anchor"], strict=True)]
    transfer, _ = uce_transfer(edits, [phrases[i] for i in case["keep"]], config, CPU)
    return list(edited({str(k): weight for k, weight in enumerate(weights)}, transfer).values())


def phrases_of(case: Case, states: Tensor) -> list[Phrase]:
    """The prompts of `states` [m, L, d]; n_tokens counts the end token and, but for FLUX, the start token."""
    # FLUX's empty prompt has one token, and its release reads the last position for it.
    return [Phrase(own, (int(n) - 2) % len(own)) for own, n in zip(states, case["n_tokens"], strict=True)]


def check(case: Case, states: Tensor, release: Release) -> None:
    """The projections as edited for the given states [m, L, d] of all prompts."""
    found = torch.stack(edited_by_uce(case, case["W_0"], phrases_of(case, states), release))
    case.check({"W_new": found}, tolerance=TOLERANCE, of=case["W_new"] - case["W_0"])


def check_flux(case: Case) -> None:
    """FLUX's two entry layers: one reads a phrase's states, the other its pooled state."""
    phrases = {
        "W_context": phrases_of(case, case["states"]),
        "W_pooled": [Phrase(pooled[None], 0) for pooled in case["pooled"]],
    }
    for layer, own in phrases.items():
        (found,) = edited_by_uce(case, [case[layer]], own, "newer")
        case.check({f"{layer}_new": found}, tolerance=TOLERANCE, of=case[f"{layer}_new"] - case[layer])


@each(CASES["older"])
def test_the_edit_is_the_older_releases(case: Case) -> None:
    check(case, case["states"], "older")


@each(CASES["newer"])
def test_the_edit_is_the_newer_releases(case: Case) -> None:
    check(case, case["states"], "newer")


@each(CASES["sdxl"])
def test_on_the_joined_states_of_two_encoders_the_same_edit_is_sdxls(case: Case) -> None:
    check(case, torch.cat([case["states_1"], case["states_2"]], dim=-1), "newer")


@each(CASES["flux"])
def test_the_edit_of_fluxs_entry_layers_is_the_newer_releases(case: Case) -> None:
    check_flux(case)


@each_differs(
    CASES["flux with a bias"], "the release adds a layer's bias to what a concept becomes; UCE's edit has none"
)
def test_the_edit_of_fluxs_entry_layers_with_a_bias_is_the_newer_releases(case: Case) -> None:
    check_flux(case)
