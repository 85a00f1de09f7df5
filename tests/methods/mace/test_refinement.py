"""Closed-form refinement against brute force on a real (tiny) text encoder."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from erasebench.editing.text_states import TextStates
from erasebench.editing.tokens import aligned_positions, content_tokens, pair_prompts
from erasebench.editing.transfer import float64_projections
from erasebench.errors import UserError
from erasebench.methods.mace import MaceConfig
from erasebench.methods.mace.prompts import prior_of, prompt_pairs
from erasebench.methods.mace.refinement import co_occurring_tokens, refine
from tests.methods.mace.workspace import PEOPLE
from tests.tiny_model import tiny_pipeline

CPU = torch.device("cpu")
CONFIG = MaceConfig(
    prompts_per_concept=4,
    domain_prompts=2,
    prior_weight_refinement=0.01,
    ridge_refinement=0.5,
    domain_weight=3.0,
    prior_caption_scale=6.0,
)


def refined_by(config: MaceConfig) -> tuple[TextStates, dict[str, Tensor], dict[str, Tensor], float]:
    pipeline = tiny_pipeline()
    text = TextStates(pipeline)
    original = float64_projections(pipeline.unet, CPU)
    aligned = [co_occurring_tokens(text, prompt_pairs(text, concept, config), config) for concept in PEOPLE.concepts]
    refined, condition = refine(original, aligned, prior_of(text, PEOPLE, config, CPU), config)
    return text, original, refined, condition


def test_it_solves_the_papers_objective_token_by_token() -> None:
    text, original, refined, condition = refined_by(CONFIG)
    rows_in, rows_out, weights = [], [], []
    for concept in PEOPLE.concepts:
        for pair in prompt_pairs(text, concept, CONFIG):
            erased, anchored = text.encode([pair.erased, pair.anchored]).double()
            n, m = (
                len(content_tokens(text.tokenizer, concept.name)),
                len(content_tokens(text.tokenizer, concept.anchor)),
            )
            start = pair.erased_span.start
            for k in range(77):
                if k < start:
                    other = k
                elif k < start + n or k - n + m >= 77:
                    continue
                else:
                    other = k - n + m
                rows_in.append(erased[k])
                rows_out.append(anchored[other])
                weights.append(1.0)
    for captions, weight in (
        (PEOPLE.prior_captions, 0.01 * 6.0 / 3),
        ([pair for name in PEOPLE.keep for pair in (f"{name} in the morning light", f"A close-up of {name}")], 0.03),
    ):
        for state in text.encode(list(captions)).double().flatten(0, 1):
            rows_in.append(state)
            rows_out.append(state)
            weights.append(weight)
    scale = torch.tensor(weights, dtype=torch.float64).sqrt()[:, None]
    ridge = 0.5**0.5 * torch.eye(text.width, dtype=torch.float64)
    inputs = torch.cat([scale * torch.stack(rows_in), ridge])
    for name, weight in original.items():
        outputs = torch.cat([scale * torch.stack(rows_out), ridge]) @ weight.T
        brute_force = torch.linalg.lstsq(inputs, outputs).solution.T
        assert float((refined[name] - brute_force).norm() / brute_force.norm()) < 1e-8
    assert 1 < condition < 1e12


def test_the_words_around_a_name_move_towards_the_anchored_prompts() -> None:
    text, original, refined, _ = refined_by(CONFIG)
    pair = prompt_pairs(text, PEOPLE.concepts[0], CONFIG)[0]
    erased, anchored = text.encode([pair.erased, pair.anchored]).double()
    here, there = aligned_positions(pair.erased_span, pair.anchored_span, text.context)
    for name, weight in original.items():
        wanted = anchored[there] @ weight.T
        before = (erased[here] @ weight.T - wanted).norm()
        assert (erased[here] @ refined[name].T - wanted).norm() < 0.6 * before


def test_with_ids_a_word_that_phrase_and_anchor_share_counts_as_context() -> None:
    text = TextStates(tiny_pipeline())
    pairs = [pair_prompts(text.tokenizer, "a boat on {} today", "the red sea", "the blue sea")]
    red, blue = (len(content_tokens(text.tokenizer, word)) for word in ("red", "blue"))
    erased, anchored = text.encode([pairs[0].erased, pairs[0].anchored])
    x, y = co_occurring_tokens(text, pairs, MaceConfig(common_tokens="ids"))
    # Only the two colours are left out, from where 'the' ends.
    start = pairs[0].erased_span.start + len(content_tokens(text.tokenizer, "the"))
    tail = text.context - start - max(red, blue)
    assert torch.equal(x, torch.cat([erased[:start], erased[start + red :][:tail]]))
    assert torch.equal(y, torch.cat([anchored[:start], anchored[start + blue :][:tail]]))
    assert len(co_occurring_tokens(text, pairs, MaceConfig())[0]) < len(x)


def test_the_rule_for_common_tokens_does_not_matter_where_no_word_is_shared() -> None:
    text = TextStates(tiny_pipeline())
    pairs = [pair_prompts(text.tokenizer, "a photo of {} here", "Ada", "someone else")]
    by_span, by_ids = (co_occurring_tokens(text, pairs, MaceConfig(common_tokens=rule)) for rule in ("phrase", "ids"))
    assert all(torch.equal(one, other) for one, other in zip(by_span, by_ids, strict=True))


def test_without_ridge_and_prior_the_error_names_the_settings_that_mend_it() -> None:
    # One prompt has fewer different tokens than the text states have dimensions.
    singular = {"prompts_per_concept": 1, "ridge_refinement": 0.0}
    with pytest.raises(UserError) as caught:
        refined_by(MaceConfig(templates=("{}",), **singular, prior_weight_refinement=1e-30))
    assert "ridge_refinement" in caught.value.hint and "allow_ill_conditioned" in caught.value.hint


def test_the_prior_counts_the_same_whatever_its_size() -> None:
    text = TextStates(tiny_pipeline())
    twice = PEOPLE.model_copy(update={"prior_captions": PEOPLE.prior_captions * 2})
    config = MaceConfig(prior_weight_fusion=1e-4)
    once_gram = prior_of(text, PEOPLE, config, CPU).gram
    torch.testing.assert_close(prior_of(text, twice, config, CPU).gram, once_gram, rtol=1e-6, atol=1e-6)


def test_the_prior_is_not_computed_where_nothing_weighs_it() -> None:
    prior = prior_of(TextStates(tiny_pipeline()), PEOPLE, MaceConfig(prior_weight_fusion=0.0), CPU)
    assert float(prior.gram.abs().sum()) == 0
    assert prior.record["captions"] == 0
