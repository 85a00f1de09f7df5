"""Textual inversion (Gal et al., ICLR 2023, arXiv 2208.01618): token embeddings that say best what images show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from erasebench.editing.tokens import fill, phrase_span


class InvertedPhrases:
    """Embeddings of their own for each phrase's tokens, to be learnt; they start as the tokenizer's words have them.

    `vectors`: [tokens, d] by phrase. Everything else of the text encoder stays as it is.
    """

    def __init__(self, pipeline: StableDiffusionPipeline, phrases: Sequence[str]) -> None:
        self._tokenizer, self._encoder = pipeline.tokenizer, pipeline.text_encoder
        table = self._encoder.get_input_embeddings().weight
        self.vectors = {
            phrase: table[self._tokenizer(phrase, add_special_tokens=False)["input_ids"]].detach().clone()
            for phrase in phrases
        }
        for vectors in self.vectors.values():
            vectors.requires_grad_()

    def states(self, filled: Sequence[tuple[str, str]]) -> Tensor:
        """Text states [n, tokens, d] of (template, phrase) pairs, with gradients to the phrases' vectors."""
        prompts = [fill(template, phrase) for template, phrase in filled]
        encoded = self._tokenizer(
            prompts, padding="max_length", max_length=self._tokenizer.model_max_length, return_tensors="pt"
        )
        spans = [phrase_span(self._tokenizer, template, phrase) for template, phrase in filled]
        with self._in_place([(span, self.vectors[phrase]) for span, (_, phrase) in zip(spans, filled, strict=True)]):
            states: Tensor = self._encoder(encoded["input_ids"].to(self._encoder.device))[0]
        return states

    @contextmanager
    def _in_place(self, rows: Sequence[tuple[range, Tensor]]) -> Iterator[None]:
        def replace(_: Any, __: Any, embedded: Tensor) -> Tensor:
            pieces = [
                torch.cat([own[: span.start], vectors.to(own.dtype), own[span.stop :]])
                for own, (span, vectors) in zip(embedded, rows, strict=True)
            ]
            return torch.stack(pieces)

        handle = self._encoder.get_input_embeddings().register_forward_hook(replace)
        try:
            yield
        finally:
            handle.remove()
