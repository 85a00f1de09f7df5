"""The settings of every closed form."""

from __future__ import annotations

from erasebench.api.method import MethodConfig
from erasebench.identity import identity_field


class ClosedFormConfig(MethodConfig):
    """How a closed form's prompts are encoded and its systems solved."""

    allow_ill_conditioned: bool = identity_field(
        False, "Continue if a solve is singular or ill-conditioned; its condition number is recorded", source="ours"
    )
    # Batch shapes change results in the last digits, so this is part of the identity.
    text_batch_size: int = identity_field(64, "Prompts encoded at a time", source="ours", unit="prompts", ge=1)
