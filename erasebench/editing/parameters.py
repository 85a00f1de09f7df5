"""The parameters that erasure methods change, by name; loads no torch."""

from __future__ import annotations


def is_cross_attention(parameter: str) -> bool:
    """Whether 'unet.<name>' belongs to a text cross-attention: its queries, keys, values or output."""
    return parameter.startswith("unet.") and ".attn2." in parameter


def is_projection(parameter: str) -> bool:
    """Whether 'unet.<name>' is a key or value projection of a text cross-attention (32 in Stable Diffusion v1.x)."""
    return parameter.startswith("unet.") and parameter.endswith((".attn2.to_k.weight", ".attn2.to_v.weight"))
