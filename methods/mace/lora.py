"""Low-rank changes of the text projections: one concept's LoRA, and several of them side by side in one batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Lora:
    """One concept's LoRA by projection name: D = up @ down, with down A [rank, d] and up B [out, rank]."""

    down: Mapping[str, Tensor]
    up: Mapping[str, Tensor]

    def pairs(self, device: torch.device) -> dict[str, tuple[Tensor, Tensor]]:
        """(A, B) of every projection in float64 on `device`."""
        return {
            name: (self.down[name].to(device, torch.float64), self.up[name].to(device, torch.float64))
            for name in self.down
        }


class LoraBatch:
    """k independent LoRAs, stacked: sample i of a batch of k is changed by LoRA i alone.

    Unlike erasebench.editing.adapters, whose gates choose among all adapters for each sample, one sample computes one.

    A ~ N(0, (1/rank)^2) from each concept's own generator (CPU, projections in their given order), B = 0, scale 1. Kept
    in float32, or float64 where the projections are; the product is cast to the projection's dtype.
    """

    def __init__(self, projections: Mapping[str, nn.Linear], generators: Sequence[torch.Generator], rank: int) -> None:
        self._projections = projections
        self.down: dict[str, Tensor] = {}
        self.up: dict[str, Tensor] = {}
        for name, layer in projections.items():
            dtype = torch.promote_types(layer.weight.dtype, torch.float32)
            drawn = [torch.randn(rank, layer.in_features, generator=each) / rank for each in generators]
            self.down[name] = torch.stack(drawn).to(layer.weight.device, dtype).requires_grad_()
            self.up[name] = torch.zeros(
                len(generators), layer.out_features, rank, device=layer.weight.device, dtype=dtype, requires_grad=True
            )

    def parameters(self, part: str = "") -> list[Tensor]:
        """The stacked tensors of the projections whose name ends in `part`; the first dimension is the concept."""
        return [own[name] for own in (self.down, self.up) for name in own if name.endswith(part)]

    @contextmanager
    def attached(self) -> Iterator[None]:
        """While attached, each projection adds B_i (A_i e) to its output on sample i's text states e."""
        handles = [
            layer.register_forward_hook(_adder(self.down[name], self.up[name]))
            for name, layer in self._projections.items()
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def clip_gradients(self, largest: float) -> None:
        """Scale each concept's gradient to a norm of at most `largest` over all of its own tensors."""
        gradients = [parameter.grad for parameter in self.parameters() if parameter.grad is not None]
        squares = [gradient.flatten(1).square().sum(dim=1) for gradient in gradients]
        scale = (largest / (torch.stack(squares).sum(dim=0).sqrt() + 1e-6)).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(scale[:, None, None])

    def split(self) -> list[Lora]:
        """The k LoRAs one by one, on the CPU."""
        down = {name: values.detach().cpu() for name, values in self.down.items()}
        up = {name: values.detach().cpu() for name, values in self.up.items()}
        count = len(next(iter(down.values())))
        return [
            Lora({name: down[name][i].clone() for name in down}, {name: up[name][i].clone() for name in up})
            for i in range(count)
        ]


def _adder(down: Tensor, up: Tensor) -> Any:
    def add(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        change = (inputs[0].to(down.dtype) @ down.mT) @ up.mT
        return output + change.to(output.dtype)

    return add
