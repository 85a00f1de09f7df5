"""SPM's settings."""

from __future__ import annotations

from typing import Literal

from erasebench.identity import identity_field
from erasebench.training.config import PartialRunConfig

AnchoringRows = Literal["random", "as-released"]
Runs = Literal["paper", "as-released"]
Merging = Literal["products", "factors"]


class SpmConfig(PartialRunConfig):
    """Defaults of the paper, and of the release where the paper gives no value; every concept trains as if alone."""

    steps: int = identity_field(3000, "Iterations for each concept", source="release", unit="steps", ge=1)
    learning_rate: float = identity_field(1e-4, "AdamW's highest learning rate", source="release", gt=0)
    batch_size: int = identity_field(
        1,
        "Number of concepts whose adapters train side by side, one x_t each",
        source="release: 1",
        unit="concepts",
        ge=1,
    )
    weight_decay: float = identity_field(0.01, "AdamW's weight decay", source="release's optimiser", ge=0)
    ddim_steps: int = identity_field(30, "Steps of a whole DDIM run", source="release", unit="steps", ge=2)
    rank: int = identity_field(1, "Rank of an adapter", source="paper", ge=1)
    negative_guidance: float = identity_field(1.0, "eta: how far beyond the anchor the target lies", source="release")
    anchoring_weight: float = identity_field(
        1000.0, "Weight of preserving predictions for other text states", source="release", ge=0
    )
    anchoring_states: int = identity_field(
        4, "Number of random text states whose predictions are preserved", source="release", ge=1
    )
    anchoring_rows: AnchoringRows = identity_field(
        "random",
        "Which states are preserved: the random states, as in the paper, or those that the release's code keeps of "
        "them, the second half of [empty prompt, state 1, empty prompt, state 2, ...]",
        source="paper; as-released: release",
    )
    partial_runs: Runs = identity_field(
        "paper",
        "Which timestep the network gets with an x_t after k of n steps, k from 1 on. paper: x_t's own timestep, as "
        "its formula has it; as-released: T - 1 - floor(T k / n), 33 to 42 above that for n = 30, and the levels are "
        "those of a scheduler without offset",
        source="paper; as-released: release",
    )
    merging: Merging = identity_field(
        "products",
        "How the gates g of several concepts act while sampling: the sum of g B A, once each, as the paper has it, or "
        "the release's (sum g B)(sum g A), where a gate acts squared and concepts mix",
        source="paper; factors: release",
    )
    gate_floor: Literal["none", "prior"] = identity_field(
        "none",
        "Cosine at which a gate is closed: 0, as published, or the highest of any prior caption with the concept, "
        "for text encoders that give all prompts similar embeddings",
        source="ours",
    )
