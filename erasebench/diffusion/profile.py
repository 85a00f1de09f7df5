"""The numerics profile: what makes the same arithmetic give the same bits."""

from __future__ import annotations

from typing import Any, Literal, Protocol, get_args

from pydantic import BaseModel, ConfigDict, Field

from erasebench.errors import UserError, did_you_mean

Dtype = Literal["auto", "float32", "bfloat16", "float16"]
"""The precision of sampling; auto: float32 on a CPU, on a GPU the half precision that the model is known to work in."""


class NumericsProfile(BaseModel):
    """What makes the same arithmetic give the same bits: part of every image's identity, never mixed within a record.

    `dtype` is that of the U-Net and the text encoder while images are sampled, `compiled` says whether the U-Net was
    compiled then; methods always erase in float32 and eagerly.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    device_type: str = "cpu"
    dtype: str = "float32"
    vae_dtype: str = "float32"
    batch_size: int = Field(gt=0)
    tf32: bool = False
    compiled: bool = False

    @property
    def ranked(self) -> dict[str, Any]:
        """What records of one table share: all but the batch size, which changes last digits alone."""
        return self.model_dump(mode="json", exclude={"batch_size"})

    @property
    def suffix(self) -> str:
        """For a file's name: '' for the reference profile, float32 and eager; else '-float16', '-compiled' ..."""
        return f"-{self.dtype}" * (self.dtype != "float32") + "-compiled" * self.compiled

    @property
    def erasing(self) -> NumericsProfile:
        """The profile that methods work under, for the batch size that it has."""
        return self.model_copy(update={"dtype": "float32", "compiled": False})


def checked_dtype(dtype: str) -> str:
    """UserError for a precision that there is not."""
    if dtype not in get_args(Dtype):
        raise UserError(f"--dtype {dtype} is not possible.", did_you_mean(dtype, get_args(Dtype)))
    return dtype


class Sampled(Protocol):
    """The part of a World that says how its model is sampled."""

    @property
    def half_dtype(self) -> str: ...

    @property
    def sampling(self) -> Any: ...


def sampling_profile(
    world: Sampled, device_type: str, dtype: str, *, compiled: bool = False, batch_size: int | None = None
) -> NumericsProfile:
    """The numerics that a world's images are sampled under on a device, in the precision that was asked for.

    `batch_size` None: the world's.
    """
    return NumericsProfile(
        device_type=device_type,
        dtype=chosen_dtype(dtype, device_type, world),
        batch_size=batch_size or world.sampling.batch_size,
        compiled=compiled,
    )


def chosen_dtype(asked: str, device_type: str, world: Sampled) -> str:
    """The precision that `asked` stands for. The world is asked on a GPU alone: it may have to look at its model."""
    if asked != "auto":
        return asked
    return "float32" if device_type == "cpu" else world.half_dtype
