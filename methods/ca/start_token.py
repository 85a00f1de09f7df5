"""The start token's keys and values as constants, as Concept Ablation's release has them (from Custom Diffusion)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


def text_projections(unet: nn.Module) -> list[nn.Module]:
    """The layers that make the keys and values of every text cross-attention."""
    return [layer for name, layer in unet.named_modules() if name.endswith((".attn2.to_k", ".attn2.to_v"))]


@contextmanager
def start_token_detached(projections: Iterable[nn.Module]) -> Iterator[None]:
    """Inside the block the layers' outputs [n, tokens, width] pass no gradient at position 0; no value changes."""

    def detached(layer: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        return torch.cat([output[:, :1].detach(), output[:, 1:]], dim=1)

    handles = [layer.register_forward_hook(detached) for layer in projections]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
