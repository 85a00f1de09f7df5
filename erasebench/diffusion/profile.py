"""The numerics profile: what makes the same arithmetic give the same bits."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class NumericsProfile(BaseModel):
    """What makes the same arithmetic give the same bits: part of every identity, never mixed within a record."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device_type: str = "cpu"
    dtype: str = "float32"
    batch_size: int = Field(gt=0)
    tf32: bool = False
