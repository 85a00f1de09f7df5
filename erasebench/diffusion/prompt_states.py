"""The text encoder's states of prompts: each prompt is encoded once, the empty one too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

import torch
from diffusers import StableDiffusionPipeline


def may_be_kept(pipeline: StableDiffusionPipeline) -> bool:
    """Whether a prompt's states depend on the prompt alone, as far as can be seen.

    False where `encode_prompt` is watched (an edit that changes the text of each call) and where the text encoder has
    hooks.
    """
    encoder = pipeline.text_encoder
    hooked = any(module._forward_hooks or module._forward_pre_hooks for module in encoder.modules())
    return "encode_prompt" not in vars(pipeline) and not hooked


class PromptStates:
    """States of prompts that are sampled one after another.

    They are encoded in batches of one shape, as the sampler makes images, so that a prompt's states do not depend on
    its companions. At most `batch_size` prompts are kept at a time. The pipeline must not change meanwhile.
    """

    def __init__(self, pipeline: StableDiffusionPipeline, batch_size: int, *, guided: bool) -> None:
        self.pipeline = pipeline
        self.batch_size = batch_size
        self.guided = guided
        self._kept: dict[str, torch.Tensor] = {}
        self._empty: torch.Tensor | None = None

    def of(self, prompts: Sequence[str], upcoming: Iterable[str]) -> dict[str, Any]:
        """What a call of the pipeline takes in place of `prompts`: states [n, tokens, width], and those of ''.

        upcoming: the prompts from these on, in their order, `prompts` included; more than one batch is encoded ahead.
        """
        if any(prompt not in self._kept for prompt in prompts):
            self._encode(list(islice(_different(chain(prompts, upcoming)), self.batch_size)))
        states = {"prompt_embeds": torch.stack([self._kept[prompt] for prompt in prompts])}
        if self._empty is not None:
            states["negative_prompt_embeds"] = self._empty
        return states

    def _encode(self, prompts: list[str]) -> None:
        padded = [*prompts, *([prompts[-1]] * (self.batch_size - len(prompts)))]
        first = self.guided and self._empty is None
        states, empty = self.pipeline.encode_prompt(padded, self.pipeline.unet.device, 1, first)
        self._kept = dict(zip(prompts, states, strict=False))
        if first:
            self._empty = empty


def _different(prompts: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for prompt in prompts:
        if prompt not in seen:
            seen.add(prompt)
            yield prompt
