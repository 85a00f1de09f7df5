"""What the tests of the closed forms share: a task, an edit by hand, and weighted least squares without any algebra."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from erasebench.api.concepts import Concept, ErasureTask, Kind

Row = tuple[Tensor, Tensor, float]
"""An input x [d], the input y whose output it shall give, and the weight of that wish."""

# Stable Diffusion v1.4's U-Net, where it differs from diffusers' defaults.
SD_V1_4 = {"sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8}
BLOCKS = (
    *(f"down_blocks.{block}.attentions.{layer}" for block in (0, 1, 2) for layer in (0, 1)),
    "mid_block.attentions.0",
    *(f"up_blocks.{block}.attentions.{layer}" for block in (1, 2, 3) for layer in (0, 1, 2)),
)
SD_PROJECTIONS = {
    f"unet.{block}.transformer_blocks.0.attn2.{part}.weight" for block in BLOCKS for part in ("to_k", "to_v")
}


def sd_unet() -> UNet2DConditionModel:
    """Stable Diffusion v1.4's U-Net without memory behind its parameters."""
    with torch.device("meta"):
        return UNet2DConditionModel(**SD_V1_4)


def task_of(
    kind: Kind = "person", names: Iterable[str] = ("Ada Thorne", "Bo"), keep: tuple[str, ...] = ("Cy", "Di Wick")
) -> ErasureTask:
    """A task with the anchor 'a person'."""
    concepts = tuple(Concept(name=name, kind=kind, anchor="a person") for name in names)
    return ErasureTask(concepts=concepts, keep=keep, prior_captions=("a red house",))


def least_squares(weight: Tensor, rows: Iterable[Row], ridge: float) -> Tensor:
    """The W' that minimises sum w |W' x - W y|^2 + ridge |W' - W|^2, by stacking, in float64."""
    rows = list(rows)
    scale = torch.tensor([w for _, _, w in rows], dtype=torch.float64).sqrt()[:, None]
    stay = ridge**0.5 * torch.eye(weight.shape[1], dtype=torch.float64)
    inputs = torch.cat([scale * torch.stack([x for x, _, _ in rows]).double(), stay])
    wanted = torch.cat([scale * torch.stack([y for _, y, _ in rows]).double(), stay]) @ weight.double().T
    return torch.linalg.lstsq(inputs, wanted).solution.T


def relative_error(found: Tensor, expected: Tensor) -> float:
    return float((found.double() - expected.double()).norm() / expected.double().norm())
