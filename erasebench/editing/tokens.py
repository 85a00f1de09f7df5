"""Where a phrase sits in a prompt, and which positions of two prompts correspond. Needs a tokenizer only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from erasebench.errors import UserError

if TYPE_CHECKING:
    from transformers import CLIPTokenizer

PLACEHOLDER = "{}"


def fill(template: str, phrase: str) -> str:
    """The prompt of a template: `phrase` where the template has '{}'."""
    if template.count(PLACEHOLDER) != 1:
        raise UserError(
            f"template {template!r} must contain '{{}}' exactly once", "write '{}' where the phrase belongs"
        )
    return template.replace(PLACEHOLDER, phrase)


def content_tokens(tokenizer: CLIPTokenizer, text: str) -> list[int]:
    """Token ids of `text` without start, end and padding."""
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def prompt_ids(tokenizer: CLIPTokenizer, prompt: str) -> list[int]:
    """Token ids of a prompt that fits the context, with start and end, without padding."""
    return list(tokenizer(prompt)["input_ids"])


def phrase_span(tokenizer: CLIPTokenizer, template: str, phrase: str) -> range:
    """Positions of the phrase's tokens in the filled template; position 0 is the start token.

    The positions come from the template, not from a search, so a phrase that is a prefix of another name, or that the
    template's own words repeat, is found where it was put. Raises UserError for a prompt longer than the tokenizer's
    context (nothing is cut silently) and for a template that glues the phrase to other letters.
    """
    prompt = fill(template, phrase)
    tokens = content_tokens(tokenizer, prompt)
    context = tokenizer.model_max_length
    if len(tokens) + 2 > context:
        raise UserError(
            f"{prompt!r} has {len(tokens) + 2} tokens with start and end; the text encoder reads {context}",
            f"shorten {phrase!r} or its template",
        )
    phrase_tokens = content_tokens(tokenizer, phrase)
    before = len(content_tokens(tokenizer, template.partition(PLACEHOLDER)[0]))
    if tokens[before : before + len(phrase_tokens)] != phrase_tokens:
        raise UserError(
            f"in template {template!r} the phrase {phrase!r} does not stay a separate word",
            "put a space or punctuation on both sides of '{}'",
        )
    return range(1 + before, 1 + before + len(phrase_tokens))


def end_of_text(tokenizer: CLIPTokenizer, prompt: str) -> int:
    """Position of the end-of-text token of a prompt that fits the context; all later positions are padding."""
    return 1 + len(content_tokens(tokenizer, prompt))


def suppressed_positions(tokenizer: CLIPTokenizer, prompt: str, span: range, use_pooler: bool) -> list[bool]:
    """For each position of the context, whether attention to it is to go: the phrase's tokens at `span`, of `prompt`.

    With `use_pooler`, also the end-of-text token and the padding behind it, which carry the whole prompt (the releases
    of MACE and of Forget-Me-Not).
    """
    end = end_of_text(tokenizer, prompt) if use_pooler else tokenizer.model_max_length
    return [position in span or position >= end for position in range(tokenizer.model_max_length)]


@dataclass(frozen=True)
class PromptPair:
    """One template filled with the erased phrase and with its anchor, and where each phrase sits."""

    erased: str
    anchored: str
    erased_span: range
    anchored_span: range


def pair_prompts(tokenizer: CLIPTokenizer, template: str, phrase: str, anchor: str) -> PromptPair:
    """Fill `template` with `phrase` and with `anchor`. UserError as in `phrase_span`, and for an empty phrase."""
    erased_span = phrase_span(tokenizer, template, phrase)
    if not erased_span:
        raise UserError(f"the concept {phrase!r} has no tokens", "give the concept a name that the tokenizer can read")
    return PromptPair(
        erased=fill(template, phrase),
        anchored=fill(template, anchor),
        erased_span=erased_span,
        anchored_span=phrase_span(tokenizer, template, anchor),
    )


def differing_spans(erased: Sequence[int], anchored: Sequence[int]) -> tuple[range, range]:
    """Where two prompts' token ids (start and end included, no padding) are not the same from either end.

    A word that phrase and anchor share at their beginning or end is thus outside both spans, unlike in `PromptPair`. No
    token is common twice: what the beginnings share ('the the cat', 'the cat') is not counted from the end again.
    """
    start = _common_length(erased, anchored)
    end = min(_common_length(erased[::-1], anchored[::-1]), min(len(erased), len(anchored)) - start)
    return range(start, len(erased) - end), range(start, len(anchored) - end)


def _common_length(one: Sequence[int], other: Sequence[int]) -> int:
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def aligned_positions(erased: range, anchored: range, context: int) -> tuple[list[int], list[int]]:
    """Positions of the co-occurring tokens: (in the erased prompt, in the anchored prompt), equally long.

    Everything outside the spans `erased` and `anchored`: the common prefix with the start token, then the tails behind
    each span (common suffix, end-of-text, padding), token by token, up to the shorter of the two (MACE, section 4.1).
    """
    prefix = list(range(erased.start))
    tail = context - max(erased.stop, anchored.stop)
    return (
        prefix + list(range(erased.stop, erased.stop + tail)),
        prefix + list(range(anchored.stop, anchored.stop + tail)),
    )
