"""Low-rank adapters beside the layers of a U-Net's transformer blocks, each with a gate for every image of a batch.

Their weights are one mapping: by layer name 'down.<layer>' [directions, in] ([directions, in, h, w] for a Conv) and
'up.<layer>' [out, directions]. Adapters of several concepts are directions side by side.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from diffusers.models import Transformer2DModel
from torch import Tensor, nn
from torch.nn import functional as F

from erasebench.errors import UserError


def transformer_layers(unet: UNet2DConditionModel) -> dict[str, nn.Linear | nn.Conv2d]:
    """Every Linear and Conv of the U-Net's transformer blocks, by module name (192 on Stable Diffusion v1.x)."""
    return {
        f"{block_name}.{name}": layer
        for block_name, block in unet.named_modules()
        if isinstance(block, Transformer2DModel)
        for name, layer in block.named_modules()
        if isinstance(layer, nn.Linear | nn.Conv2d)
    }


def fresh_adapters(unet: UNet2DConditionModel, rank: int, generators: Sequence[torch.Generator]) -> dict[str, Tensor]:
    """One adapter of `rank` directions per generator on every layer: down as in `uniform_down`, up zero.

    They change nothing yet, and ask for gradients.
    """
    weights: dict[str, Tensor] = {}
    for name, layer in transformer_layers(unet).items():
        (out, *shape), device = layer.weight.shape, layer.weight.device
        drawn = [uniform_down((rank, *shape), generator) for generator in generators]
        weights[f"down.{name}"] = torch.cat(drawn).to(device).requires_grad_()
        weights[f"up.{name}"] = torch.zeros(out, rank * len(generators), device=device, requires_grad=True)
    return weights


def uniform_down(shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """Directions [rank, in(, h, w)] uniform in +-1/sqrt(fan-in), Kaiming's with a = sqrt 5: how LoRAs start."""
    return (torch.rand(tuple(shape), generator=generator) * 2 - 1) / math.sqrt(math.prod(shape[1:]))


def joined(adapters: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Several adapters side by side as one, in their order; on the CPU, without gradients."""
    return {
        name: torch.cat([each[name].detach().cpu() for each in adapters], dim=1 if name.startswith("up.") else 0)
        for name in adapters[0]
    }


@contextmanager
def adapted(
    unet: UNet2DConditionModel,
    weights: Mapping[str, Tensor],
    gates: Callable[[], Tensor | None],
    merged: int | None = None,
) -> Iterator[None]:
    """Inside the block every layer adds `change` of its input to its output; `gates` is asked at every layer.

    Gates are [images, directions], None for off; a batch of several times as many rows is that many copies of the
    images, as guidance makes them. `merged`: see `change`. UserError for a layer that the U-Net does not have.
    """
    layers = transformer_layers(unet)
    names = [name.removeprefix("down.") for name in weights if name.startswith("down.")]
    if unknown := sorted(set(names) - set(layers)):
        raise UserError(f"The U-Net has no layer {unknown[0]}.", "These adapters were made for another model.")

    def adder(down: Tensor, up: Tensor) -> Any:
        def add(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            images = gates()
            if images is None:
                return output
            x = inputs[0].to(down.dtype)
            rows = images.repeat(len(x) // len(images), 1)
            return output + change(layer, x, down, up, rows, merged).to(output.dtype)

        return add

    handles = [
        layers[name].register_forward_hook(adder(weights[f"down.{name}"], weights[f"up.{name}"])) for name in names
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def change(layer: nn.Module, x: Tensor, down: Tensor, up: Tensor, gates: Tensor, merged: int | None = None) -> Tensor:
    """What adapters add to the layer's output for its input x [rows, ...]: the sum of g up (down x), gates [rows, k].

    `merged`: the rank of each concept's adapter, for the release of SPM (arXiv 2312.16145), which adds up the concepts'
    g down and their g up before it multiplies the two: (sum g up) ((sum g down) x).
    """
    if isinstance(layer, nn.Conv2d):
        axis, gate = 1, gates[:, :, None, None]
        seen = F.conv2d(x, down, None, layer.stride, layer.padding, layer.dilation)  # type: ignore[arg-type]
    else:
        axis, gate = x.ndim - 1, gates.reshape(len(x), *(1,) * (x.ndim - 2), -1)
        seen = F.linear(x, down)
    seen = seen * gate
    if merged is not None:
        concepts = down.shape[0] // merged
        total = seen.unflatten(axis, (concepts, merged)).sum(dim=axis)
        seen = torch.cat([total] * concepts, dim=axis) * gate
    return F.conv2d(seen, up[:, :, None, None]) if isinstance(layer, nn.Conv2d) else F.linear(seen, up)
