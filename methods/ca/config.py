"""Concept Ablation's settings."""

from __future__ import annotations

from typing import Literal

from erasebench.identity import identity_field
from erasebench.training.config import TrainingConfig

Variant = Literal["model-based", "noise-based"]


class ConceptAblationConfig(TrainingConfig):
    """Defaults of the paper's model-based variant for objects, people and styles."""

    steps: int = identity_field(100, "Steps of batch 8; nudity 400", source="release", unit="steps", ge=1)
    learning_rate: float = identity_field(
        1.6e-5,
        "2e-6 x batch 8; nudity 4e-6 x batch, which the release's code doubles if there is a prior",
        source="release",
        gt=0,
    )
    batch_size: int = identity_field(
        8,
        "Noised images in a step; a prior has the same number of additional ones",
        source="release",
        unit="samples",
        ge=1,
    )
    weight_decay: float = identity_field(0.01, "AdamW's weight decay", source="release", ge=0)
    n_images: int = identity_field(
        1000, "Images generated from each anchor's prompts", source="release", unit="images", ge=1
    )
    weights: Literal["keys-and-values", "attention", "unet"] = identity_field(
        "keys-and-values",
        "Tune K and V of attn2, or all attention (nudity), or the whole U-Net",
        source="paper, release",
    )
    loss: Variant = identity_field(
        "model-based",
        "Target of the prediction under the concept: the prediction under the anchor, or the noise in the "
        "anchor's image; the paper finds the first better",
        source="paper",
    )
    prior_weight: float = identity_field(
        0.0,
        "Weight of predicting the noise of the anchor's images under the anchor, on other images of the batch; nudity "
        "1",
        source="release",
        ge=0,
    )
    rescaling: bool = identity_field(
        False,
        "Train on images shrunk onto black (66 in 100) or enlarged, the loss inside their mask, as the release does "
        "for objects; off, because the paper trains on unchanged images. Images of the prior are not changed. The "
        "release also begins the prompts of such images with their size ('very small', 'zoomed in'); not done here",
        source="paper; on: release",
    )
    detach_start_token: bool = identity_field(
        False,
        "Block the gradient through the start token's K and V, as the release does; off: the paper's loss is "
        "differentiated completely",
        source="paper; on: release",
    )
