"""What a call of a pipeline computes of its text again at every step, computed once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from diffusers.models.attention_processor import Attention
from torch import nn


class _Remembered:
    """A linear layer's forward, with its last answer.

    The answer is given again only to the very tensor that it was computed of, unchanged since, and while the layer's
    weights and the answer itself are unchanged. Hooks of the layer run around this, at every step, as before.
    """

    def __init__(self, layer: nn.Linear) -> None:
        self.layer = layer
        self.asked: torch.Tensor | None = None
        self.answer: torch.Tensor | None = None
        self.state: tuple[Any, ...] = ()

    def __call__(self, text: torch.Tensor) -> torch.Tensor:
        if self.answer is None or text is not self.asked or self._state(text, self.answer) != self.state:
            self.answer = nn.functional.linear(text, self.layer.weight, self.layer.bias)
            self.asked, self.state = text, self._state(text, self.answer)
        return self.answer

    def _state(self, text: torch.Tensor, answer: torch.Tensor) -> tuple[Any, ...]:
        weights = (self.layer.weight, self.layer.bias)
        return (
            *(None if each is None else (each.data_ptr(), each._version) for each in weights),
            text._version,
            answer._version,
        )


@contextmanager
def shared_text(network: nn.Module) -> Iterator[None]:
    """Within the block, text cross-attentions compute the keys and values of the same text once, not at every step.

    No bit of any result changes. A layer that is not a plain linear one, or whose forward somebody has replaced, is
    left as it is. What is written into a weight through its `.data` cannot be seen: within a call, assign new data.
    """
    layers = [
        layer
        for module in network.modules()
        if isinstance(module, Attention) and module.is_cross_attention
        for layer in (module.to_k, module.to_v)
        # In inference mode tensors do not tell whether they were changed.
        if type(layer) is nn.Linear and "forward" not in vars(layer) and not torch.is_inference_mode_enabled()
    ]
    for layer in layers:
        layer.forward = _Remembered(layer)  # type: ignore[assignment]
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward
