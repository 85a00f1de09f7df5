"""Prompts to the token states that cross-attention reads, exactly as the pipeline itself computes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor


class TextStates:
    """Encodes prompts with a pipeline's own tokenizer and text encoder, in batches of at most `batch_size` prompts.

    `encode` remembers its first `remembered` prompts (0.1 GB a thousand at width 320, 0.24 GB at 768), since closed
    forms come back to the same prompts stage after stage. Nothing is ever evicted, so what is remembered depends on
    the order of the calls alone. A training that encodes in its steps takes 0: what is encoded together, and so its
    last digits, must not depend on the steps before, or a resumed run would show it.
    """

    def __init__(self, pipeline: StableDiffusionPipeline, batch_size: int = 64, remembered: int = 1024) -> None:
        self.tokenizer = pipeline.tokenizer
        self._encoder = pipeline.text_encoder
        self._batch_size = batch_size
        self._room = remembered
        self._known: dict[str, Tensor] = {}

    @property
    def width(self) -> int:
        """Length d of one token state: 768 on Stable Diffusion v1.x."""
        return int(self._encoder.config.hidden_size)

    @property
    def context(self) -> int:
        """Positions of a prompt, start, end and padding included: 77."""
        return int(self.tokenizer.model_max_length)

    def batches(self, prompts: Sequence[str]) -> Iterator[Tensor]:
        """States [n, context, width] of successive batches, in the encoder's dtype and on its device."""
        for first in range(0, len(prompts), self._batch_size):
            yield self._encode(list(prompts[first : first + self._batch_size]))

    def encode(self, prompts: Sequence[str]) -> Tensor:
        """States [len(prompts), context, width] of all prompts at once."""
        missing = [prompt for prompt in dict.fromkeys(prompts) if prompt not in self._known]
        fresh = dict(zip(missing, (states for batch in self.batches(missing) for states in batch), strict=True))
        found = torch.stack([fresh[prompt] if prompt in fresh else self._known[prompt] for prompt in prompts])
        # A clone, since a row of a batch would keep the whole batch in memory.
        self._known |= {prompt: fresh[prompt].clone() for prompt in missing[: self._room - len(self._known)]}
        return found

    @torch.no_grad()
    def _encode(self, prompts: list[str]) -> Tensor:
        # A caption longer than the context is cut, as the pipeline would cut it; phrases are checked by phrase_span.
        ids = self.tokenizer(
            prompts, padding="max_length", max_length=self.context, truncation=True, return_tensors="pt"
        )["input_ids"]
        states: Tensor = self._encoder(ids.to(self._encoder.device))[0]
        return states
