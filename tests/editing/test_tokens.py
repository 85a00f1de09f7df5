"""Where a phrase sits in a prompt, and which tokens of two prompts correspond."""

from __future__ import annotations

import pytest

from erasebench.editing.tokens import (
    aligned_positions,
    content_tokens,
    differing_spans,
    end_of_text,
    fill,
    pair_prompts,
    phrase_span,
    prompt_ids,
    suppressed_positions,
)
from erasebench.errors import UserError
from tests.tiny_model import tiny_tokenizer

TOKENIZER = tiny_tokenizer()
CONTEXT = TOKENIZER.model_max_length


def padded_ids(prompt: str) -> list[int]:
    return list(TOKENIZER(prompt, padding="max_length", max_length=CONTEXT)["input_ids"])


@pytest.mark.parametrize(
    ("template", "phrase"),
    [
        ("a photo of {} at sea", "Ada Thorne"),  # several tokens
        ("{} in the rain", "Ada Thorne"),  # at the prompt's start
        ("a drawing of {}", "Ada"),  # at its end
        ("{}", "Ada"),  # alone
        ("an ad of {}, framed", "ad"),  # the template repeats the phrase, and punctuation follows
        ("{}'s house", "Ada"),
    ],
)
def test_the_span_covers_exactly_the_phrase(template: str, phrase: str) -> None:
    span = phrase_span(TOKENIZER, template, phrase)
    ids = padded_ids(fill(template, phrase))
    assert [ids[i] for i in span] == content_tokens(TOKENIZER, phrase)
    words_before = content_tokens(TOKENIZER, template.partition("{}")[0])
    assert ids[1 : span.start] == words_before


def test_a_name_that_is_a_prefix_of_another_has_its_own_span() -> None:
    short = phrase_span(TOKENIZER, "a photo of {} here", "Paul Mar")
    long = phrase_span(TOKENIZER, "a photo of {} here", "Paul Marsh")
    assert short.start == long.start
    assert len(long) - len(short) == 2
    # 'r' ends a word in one name and not in the other, so the shorter name's tokens do not occur in the longer one.
    short_ids = content_tokens(TOKENIZER, "Paul Mar")
    assert content_tokens(TOKENIZER, "Paul Marsh")[: len(short_ids)] != short_ids


def test_a_word_prefix_is_found_where_the_template_puts_it_not_at_its_first_occurrence() -> None:
    span = phrase_span(TOKENIZER, "Paul Marsh and {}", "Paul")
    assert span.start == 1 + len(content_tokens(TOKENIZER, "Paul Marsh and"))


def test_a_name_longer_than_the_context_is_refused_by_name() -> None:
    name = "x" * CONTEXT
    with pytest.raises(UserError, match=f"{CONTEXT + 2} tokens"):
        phrase_span(TOKENIZER, "{}", name)


def test_a_template_that_makes_the_prompt_too_long_is_refused_though_the_name_alone_would_fit() -> None:
    name = "x" * (CONTEXT - 5)
    assert len(phrase_span(TOKENIZER, "{}", name)) == CONTEXT - 5
    with pytest.raises(UserError, match="the text encoder reads 77"):
        phrase_span(TOKENIZER, "a photo of {}", name)


@pytest.mark.parametrize("template", ["no phrase", "{} and {}"])
def test_a_template_holds_its_phrase_once(template: str) -> None:
    with pytest.raises(UserError, match="exactly once"):
        phrase_span(TOKENIZER, template, "Ada")


def test_a_template_that_glues_the_phrase_to_letters_is_refused() -> None:
    with pytest.raises(UserError, match="separate word"):
        phrase_span(TOKENIZER, "a photo of {}ish art", "Ada")


def test_a_phrase_without_tokens_is_no_concept_but_may_be_an_anchor() -> None:
    assert len(pair_prompts(TOKENIZER, "a photo of {} here", "Ada", " ").anchored_span) == 0
    with pytest.raises(UserError, match="no tokens"):
        pair_prompts(TOKENIZER, "a photo of {} here", " ", "Ada")


def test_the_end_of_text_follows_the_last_word() -> None:
    assert padded_ids("a b c")[end_of_text(TOKENIZER, "a b c")] == TOKENIZER.eos_token_id


@pytest.mark.parametrize(("phrase", "anchor"), [("Ada Thorne", "a woman"), ("Ada", "a person in clothes")])
def test_co_occurring_tokens_are_everything_but_the_phrase_aligned_from_both_ends(phrase: str, anchor: str) -> None:
    pair = pair_prompts(TOKENIZER, "a photo of {} at sea", phrase, anchor)
    erased, anchored = aligned_positions(pair.erased_span, pair.anchored_span, CONTEXT)
    assert len(erased) == len(anchored) == CONTEXT - max(len(pair.erased_span), len(pair.anchored_span))
    assert not set(erased) & set(pair.erased_span)
    assert not set(anchored) & set(pair.anchored_span)
    # Each token is paired with the same token: start, template words, end of text, padding.
    erased_ids, anchored_ids = padded_ids(pair.erased), padded_ids(pair.anchored)
    assert [erased_ids[i] for i in erased] == [anchored_ids[i] for i in anchored]
    assert (end_of_text(TOKENIZER, pair.erased), end_of_text(TOKENIZER, pair.anchored)) in set(
        zip(erased, anchored, strict=True)
    )


@pytest.mark.parametrize(
    ("erased", "anchored", "spans"),
    [
        ([0, 5, 6, 1], [0, 7, 6, 1], (range(1, 2), range(1, 2))),
        # Shared at both ends of the phrase, which is longer in one of them.
        ([0, 2, 5, 6, 3, 1], [0, 2, 7, 3, 1], (range(2, 4), range(2, 3))),
        ([0, 2, 5, 3, 1], [0, 2, 3, 1], (range(2, 3), range(2, 2))),
        # A word said twice: the one that both prompts have is common once.
        ([0, 4, 4, 8, 1], [0, 4, 8, 1], (range(2, 3), range(2, 2))),
        ([0, 5, 1], [0, 5, 1], (range(3, 3), range(3, 3))),
    ],
)
def test_by_ids_prompts_differ_where_they_are_not_the_same_from_either_end(
    erased: list[int], anchored: list[int], spans: tuple[range, range]
) -> None:
    assert differing_spans(erased, anchored) == spans


def test_by_ids_a_word_that_phrase_and_anchor_share_is_common() -> None:
    pair = pair_prompts(TOKENIZER, "a boat on {} today", "the red sea", "the blue sea")
    erased, anchored = differing_spans(prompt_ids(TOKENIZER, pair.erased), prompt_ids(TOKENIZER, pair.anchored))
    assert set(erased) < set(pair.erased_span) and set(anchored) < set(pair.anchored_span)


@pytest.mark.parametrize(("use_pooler", "more"), [(False, []), (True, [9, CONTEXT - 1])])
def test_what_is_suppressed_is_the_phrase_and_with_the_pooler_all_behind_the_prompt(
    use_pooler: bool, more: list[int]
) -> None:
    # Start, 'on' (2), 'Ada' (3), 'sea' (3), then end-of-text and padding.
    found = suppressed_positions(TOKENIZER, "on Ada sea", phrase_span(TOKENIZER, "on {} sea", "Ada"), use_pooler)
    assert len(found) == CONTEXT
    assert [i for i, marked in enumerate(found) if marked] == [3, 4, 5, *(range(more[0], more[1] + 1) if more else [])]
