"""UCE's closed form against both releases: older 35e91e2 and newer 28c81ed, FLUX included."""

from __future__ import annotations

import torch
from torch import Tensor

from erasebench.editing.transfer import edited
from erasebench.methods.uce import Edit, Phrase, Release, UceConfig, uce_transfer
from erasebench.testing.oracle import Case
from tests.oracles.listing import cases, each, of_family

CPU = torch.device("cpu")
TOLERANCE = 1e-10
CASES = cases(
    "uce",
    {
        "flux": lambda case: "W_context" in case,
        "sdxl": lambda case: "states_1" in case,
        "newer": lambda case: case.name.startswith("newer") and "W_0" in case and "states" in case,
        "older": lambda case: case.name.startswith("older") and "W_0" in case,
    },
)


def check(case: Case, states: Tensor, release: Release) -> None:
    """The projections as edited for the given states [m, L, d] of all prompts."""
    # n_tokens counts the start and the end token.
    phrases = [Phrase(own, int(n) - 2) for own, n in zip(states, case["n_tokens"], strict=True)]
    config = UceConfig(
        release=release, ridge=case["l"], erase_scale=case["erase_scale"], preserve_scale=case["preserve_scale"]
    )
    edits = [Edit(phrases[here], phrases[there]) for here, there in zip(case["erase"], case["anchor"], strict=True)]
    transfer, _ = uce_transfer(edits, [phrases[i] for i in case["keep"]], config, CPU)
    projections = {str(k): weight for k, weight in enumerate(case["W_0"])}
    found = torch.stack(list(edited(projections, transfer).values()))
    case.check({"W_new": found}, tolerance=TOLERANCE, of=case["W_new"] - case["W_0"])


@each(CASES["older"])
def test_the_edit_is_the_older_releases(case: Case) -> None:
    check(case, case["states"], "older")


@each(CASES["newer"])
def test_the_edit_is_the_newer_releases(case: Case) -> None:
    check(case, case["states"], "newer")


@each(CASES["sdxl"])
def test_on_the_joined_states_of_two_encoders_the_same_edit_is_sdxls(case: Case) -> None:
    check(case, torch.cat([case["states_1"], case["states_2"]], dim=-1), "newer")


@of_family(CASES["flux"])
def test_the_edit_of_fluxs_entry_layers_is_the_newer_releases(case: Case) -> None:
    from erasebench.methods.uce import entry_transfer

    edited = entry_transfer(case)
    for layer in ("W_context", "W_pooled"):
        case.check({f"{layer}_new": edited[layer]}, tolerance=TOLERANCE, of=case[f"{layer}_new"] - case[layer])
