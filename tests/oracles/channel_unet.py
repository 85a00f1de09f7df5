"""The stand-in for a U-Net that the official codes of training methods ran on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from erasebench.testing import oracle


class ChannelUnet:
    """eps(x, t, S) = (1 + g . mean(S)) P x + Q mean(S) + (t / 1000) q for each pixel; mean over the tokens.

    `weights`: P [c, c], Q [c, d], q [c], g [d] by name, and R [c, p] where SDXL's pooled text adds R pooled. `states`
    are [n, tokens, d]; with R they are what `packed` makes of them and the pooled texts. g may be missing: 0 then.
    `adapter`: what is added to Q mean(S) for mean(S) [n, d].
    """

    def __init__(self, weights: Mapping[str, Tensor], adapter: Callable[[Tensor], Tensor] | None = None) -> None:
        self.weights, self._adapter = weights, adapter

    def __call__(self, x: Tensor, timesteps: Tensor | int, states: Tensor) -> Tensor:
        own = self.weights
        pooled = None
        if "R" in own:
            pooled = states[:, 0, -own["R"].shape[1] :]
            states = states[:, 0, : -own["R"].shape[1]].unflatten(1, (-1, own["Q"].shape[1]))
        mean = states.mean(dim=1)
        t = torch.as_tensor(timesteps, dtype=x.dtype).expand(len(x))
        added = mean @ own["Q"].T + t[:, None] / 1000 * own["q"]
        if pooled is not None:
            added = added + pooled @ own["R"].T
        if self._adapter is not None:
            added = added + self._adapter(mean)
        image = torch.einsum("ij,njhw->nihw", own["P"], x)
        if "g" in own:
            image = (1 + mean @ own["g"])[:, None, None, None] * image
        return image + added[:, :, None, None]


def packed(states: Tensor, pooled: Tensor) -> Tensor:
    """States [n, tokens, d] and pooled texts [n, p] as one token of both, [n, 1, tokens d + p]."""
    return torch.cat([states.flatten(1), pooled], dim=1)[:, None]


def weights_of(case: oracle.Case, prefix: str) -> dict[str, Tensor]:
    """The network's weights of this prefix ('start_', 'original_', or none)."""
    return {name: case[prefix + name] for name in ("P", "Q", "q", "g", "R") if prefix + name in case}
