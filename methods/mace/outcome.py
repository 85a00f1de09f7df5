"""From edited matrices to an Erasure with its record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from erasebench.api.concepts import ErasureTask
from erasebench.api.erasure import Erasure
from erasebench.editing.tokens import PromptPair
from erasebench.editing.transfer import as_tensors, json_condition

from .adapters import TrainedLora
from .data import TrainingImages
from .prompts import Prior


def erasure_of(
    weights: Mapping[str, Tensor],
    task: ErasureTask,
    pairs: Mapping[str, Sequence[PromptPair]],
    prior: Prior,
    conditions: Mapping[str, float],
    answers: Mapping[str, Sequence[str]],
    images: Sequence[TrainingImages] = (),
    loras: Sequence[TrainedLora] = (),
) -> Erasure:
    """The Erasure with `weights`, and in its record all that is needed to compute it again elsewhere.

    `answers` are the language model's by concept, none where templates were used.
    """
    names = task.names
    record: dict[str, Any] = {
        "anchors": task.anchors,
        "prompt_pairs": {name: [[pair.erased, pair.anchored] for pair in pairs[name]] for name in names},
        "language_model_answers": {name: list(answers[name]) for name in names if name in answers},
        "prior": prior.record,
        "condition_numbers": json_condition(conditions),
        "training_images": {name: dict(Counter(own.outcomes)) for name, own in zip(names, images, strict=False)},
        "lora_losses": {
            name: {"first": trained.first_loss, "last": trained.last_loss}
            for name, trained in zip(names, loras, strict=False)
        },
    }
    return Erasure(as_tensors(weights), record)
