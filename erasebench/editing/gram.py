"""Sums of outer products of token states, the only thing that a closed form needs to know about its prompts."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


def gram(inputs: Tensor, outputs: Tensor | None = None) -> Tensor:
    """Sum of y x^T over tokens, [d, d] in float64, on the states' device; y = x unless `outputs` is given.

    `inputs` and `outputs` are [..., d] of equal shape. Accumulated in float64, since the solve's conditioning is the
    square of the states' own.
    """
    x = inputs.reshape(-1, inputs.shape[-1]).double()
    y = x if outputs is None else outputs.reshape(-1, outputs.shape[-1]).double()
    return y.T @ x


def streamed_gram(batches: Iterable[Tensor], width: int, device: torch.device) -> Tensor:
    """Gram matrix [width, width] of all states of all batches, in memory that does not grow with their number."""
    total = torch.zeros(width, width, dtype=torch.float64, device=device)
    for states in batches:
        total += gram(states.to(device))
    return total


class EditSums:
    """What a closed-form edit W' = W T asks of every matrix W: map inputs x to W y, and leave other inputs as they are.

    `system` is sum x x^T, `target` is sum y x^T, both [width, width] float64; the solution is T = target system^-1, the
    minimum of sum |W' x - W y|^2 for every W at once (methods of MACE, UCE and RECE, with their own x and y).
    """

    def __init__(self, width: int, device: torch.device) -> None:
        self.system = torch.zeros(width, width, dtype=torch.float64, device=device)
        self.target = torch.zeros_like(self.system)

    def map_to(self, inputs: Tensor, outputs: Tensor, weight: float = 1.0) -> None:
        """Ask for W' x = W y on states x = inputs, y = outputs, both [..., width]."""
        self.system += weight * gram(inputs)
        self.target += weight * gram(inputs, outputs)

    def preserve(self, gram_matrix: Tensor, weight: float = 1.0) -> None:
        """Ask for W' x = W x on the states whose Gram matrix [width, width] this is."""
        self.system += weight * gram_matrix
        self.target += weight * gram_matrix

    def ridge(self, weight: float) -> None:
        """Ask for W' = W in every direction (ridge): adds weight times the identity."""
        self.system.diagonal().add_(weight)
        self.target.diagonal().add_(weight)
