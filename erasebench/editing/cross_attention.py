"""The text cross-attention of a Stable Diffusion U-Net: its key and value projections, and its attention maps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

from erasebench.errors import UserError


def cross_attention_blocks(unet: UNet2DConditionModel) -> dict[str, Attention]:
    """Every `attn2` block by module name (16 on Stable Diffusion v1.x). UserError if the U-Net reads no text."""
    blocks = {
        name: module
        for name, module in unet.named_modules()
        if name.endswith("attn2") and isinstance(module, Attention) and module.is_cross_attention
    }
    if not blocks:
        raise UserError("the U-Net has no attn2 block that reads text", "use a model of Stable Diffusion's format")
    return blocks


def projections(unet: UNet2DConditionModel) -> dict[str, nn.Linear]:
    """Key and value projections of every `attn2` block by module name (32 on Stable Diffusion v1.x), [out, d] each."""
    return {
        f"{name}.{part}": getattr(block, part)
        for name, block in cross_attention_blocks(unet).items()
        for part in ("to_k", "to_v")
    }


class RecordingProcessor:
    """Attention that materialises its probabilities and hands them to `record`; the output is that of diffusers' own.

    diffusers' default processor calls a fused kernel that never forms them, so a loss on attention maps needs this one.
    """

    def __init__(self, name: str, record: Callable[[str, Tensor], None]) -> None:
        self._name = name
        self._record = record

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        **_: Any,
    ) -> Tensor:
        text = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        heads = attn.heads
        query = attn.to_q(hidden_states).unflatten(-1, (heads, -1)).transpose(1, 2)
        key = attn.to_k(text).unflatten(-1, (heads, -1)).transpose(1, 2)
        value = attn.to_v(text).unflatten(-1, (heads, -1)).transpose(1, 2)
        scores = (query @ key.transpose(-1, -2)) * attn.scale
        # Half precision loses small probabilities in the softmax's sum; float32 and float64 pass through unchanged.
        probabilities = (scores.float() if scores.element_size() < 4 else scores).softmax(dim=-1)
        self._record(self._name, probabilities)
        mixed = (probabilities.to(value.dtype) @ value).transpose(1, 2).flatten(2)
        output: Tensor = attn.to_out[1](attn.to_out[0](mixed)) / attn.rescale_output_factor
        return output


@contextmanager
def recorded_attention(unet: UNet2DConditionModel, record: Callable[[str, Tensor], None]) -> Iterator[None]:
    """Call record(block name, probabilities [batch, heads, pixels, tokens]) at every `attn2`; undone on exit."""
    blocks = cross_attention_blocks(unet)
    before = {name: block.processor for name, block in blocks.items()}
    try:
        for name, block in blocks.items():
            block.processor = RecordingProcessor(name, record)
        yield
    finally:
        for name, block in blocks.items():
            block.processor = before[name]
