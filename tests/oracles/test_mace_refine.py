"""MACE's refinement against the official code (057e7a6), by its rule for common tokens and by ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from erasebench.editing.tokens import differing_spans
from erasebench.methods.mace import MaceConfig
from erasebench.methods.mace.refinement import aligned_states, refine
from erasebench.testing.oracle import Case
from tests.oracles.listing import cases, each
from tests.oracles.mace_prior import prior_of

Spans = list[list[tuple[range, range]]]
# The release takes slices of five concepts, at strides of its memory setting, where there are more than that.
SLICE = 5
CASES = cases(
    "mace-refine",
    {
        "ill-conditioned": lambda case: case.name.startswith("ill-conditioned"),
        "over memory": lambda case: len(case["x_states"]) > case["max_memory"],
        "in memory": lambda case: (
            not case.name.startswith("ill-conditioned") and len(case["x_states"]) <= case["max_memory"]
        ),
    },
)


def spans_by_ids(case: Case) -> Spans:
    """Per concept and prompt, as the release finds them."""
    return [
        [differing_spans(without_padding(one), without_padding(other)) for one, other in zip(*both, strict=True)]
        for both in zip(case["ids_erased"], case["ids_anchored"], strict=True)
    ]


def without_padding(ids: Tensor) -> list[int]:
    """Up to the end token, which is the padding too."""
    listed: list[int] = ids.tolist()
    return listed[: listed.index(listed[-1]) + 1]


def spans_of_phrases(case: Case) -> Spans:
    """Per concept and prompt, where the phrases sit."""
    return [
        [(range(*one), range(*other)) for one, other in zip(*both, strict=True)]
        for both in zip(case["span_erased"].tolist(), case["span_anchored"].tolist(), strict=True)
    ]


def refined(case: Case, concepts: Sequence[int], spans: Spans, q: float) -> Tensor:
    """W_r [K, o, d] of these concepts, a concept that is named twice counting twice."""
    aligned = (aligned_states(case["x_states"][i], case["y_states"][i], spans[i]) for i in concepts)
    config = MaceConfig(prior_weight_refinement=q, ridge_refinement=case["l"])
    original = {str(k): weight for k, weight in enumerate(case["W_0"])}
    weights, _ = refine(original, aligned, prior_of(case), config)
    return torch.stack(list(weights.values()))


def check(case: Case, spans: Spans, *, tolerance: float, q: float, concepts: Sequence[int]) -> None:
    """W_r is the release's."""
    change = case["W_r"] - case["W_0"]
    case.check({"W_r": refined(case, concepts, spans, q)}, tolerance=tolerance, of=change)


def check_both_rules(case: Case, *, tolerance: float, q: float, concepts: Sequence[int]) -> None:
    """By ids in every case; by the phrase too where phrase and anchor share no word at an end."""
    by_ids, by_phrase = spans_by_ids(case), spans_of_phrases(case)
    case.check({"n_common_unpadded": common_words(case, by_ids)}, tolerance=0)
    check(case, by_ids, tolerance=tolerance, q=q, concepts=concepts)
    if by_ids == by_phrase:
        check(case, by_phrase, tolerance=tolerance, q=q, concepts=concepts)
    else:
        with pytest.raises(AssertionError, match="W_r differs"):
            check(case, by_phrase, tolerance=tolerance, q=q, concepts=concepts)


def common_words(case: Case, spans: Spans) -> Tensor:
    """[C, P], positions outside the erased span in the prompt without padding."""
    return torch.tensor(
        [
            [own.start + len(without_padding(row)) - own.stop for row, (own, _) in zip(rows, found, strict=True)]
            for rows, found in zip(case["ids_erased"], spans, strict=True)
        ]
    )


def every(case: Case) -> Sequence[int]:
    return range(len(case["x_states"]))


@each(CASES["in memory"])
def test_the_refinement_is_the_releases(case: Case) -> None:
    check_both_rules(case, tolerance=1e-10, q=case["p"] ** 2, concepts=every(case))


@each(CASES["ill-conditioned"])
def test_an_ill_conditioned_refinement_is_the_releases_as_far_as_its_inverse_goes(case: Case) -> None:
    check_both_rules(case, tolerance=1e-5, q=case["p"] ** 2, concepts=every(case))


@each(CASES["over memory"])
def test_beyond_its_memory_setting_the_release_counts_concepts_twice_and_we_do_not(case: Case) -> None:
    strides = range(0, len(every(case)), case["max_memory"])
    counted = [i for start in strides for i in every(case)[start : start + SLICE]]
    settings: dict[str, Any] = {"tolerance": 1e-10, "q": case["p"]}
    check_both_rules(case, concepts=counted, **settings)
    if sorted(counted) != list(every(case)):
        with pytest.raises(AssertionError, match="W_r differs"):
            check(case, spans_by_ids(case), concepts=every(case), **settings)
