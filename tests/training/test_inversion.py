"""Textual inversion: a phrase's tokens, and nothing else, get embeddings of their own."""

from __future__ import annotations

import torch

from erasebench.editing.text_states import TextStates
from erasebench.training.inversion import InvertedPhrases
from tests.tiny_model import tiny_pipeline

FILLED = [("a picture of {} at sea", "Ann"), ("{} in snow", "Bo")]


def test_it_starts_as_the_plain_prompt() -> None:
    pipeline = tiny_pipeline()
    plain = TextStates(pipeline).encode(["a picture of Ann at sea", "Bo in snow"])
    torch.testing.assert_close(InvertedPhrases(pipeline, ["Ann", "Bo"]).states(FILLED), plain)


def test_gradients_reach_each_phrases_own_vectors() -> None:
    inverted = InvertedPhrases(tiny_pipeline(), ["Ann", "Bo", "Cy"])
    inverted.states(FILLED)[0].sum().backward()
    moved = {
        phrase: vectors.grad is not None and bool(vectors.grad.any()) for phrase, vectors in inverted.vectors.items()
    }
    assert moved == {"Ann": True, "Bo": False, "Cy": False}
    assert inverted.vectors["Ann"].shape == (3, 32)


def test_learnt_vectors_change_the_states_from_the_phrase_on_and_no_weight() -> None:
    pipeline = tiny_pipeline()
    table = pipeline.text_encoder.get_input_embeddings().weight.clone()
    inverted = InvertedPhrases(pipeline, ["Ann"])
    before = inverted.states(FILLED[:1])
    with torch.no_grad():
        inverted.vectors["Ann"].add_(1.0)
    after = inverted.states(FILLED[:1])
    # 'a picture of' spells ten tokens after the start; the encoder is causal.
    same = (before == after).all(dim=2)[0]
    assert same[:11].all() and not same[11:].any()
    assert torch.equal(pipeline.text_encoder.get_input_embeddings().weight, table)
    torch.testing.assert_close(TextStates(pipeline).encode(["a picture of Ann at sea"]), before)
