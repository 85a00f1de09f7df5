"""What judges, records and boards share: a number with its interval, what it was added up from, an edit's size."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

Unit = Literal["fraction", "points", "distance", "count"]
Formula = Literal["h_a", "h_c", "h_o", "mean", "mean_of_h_o"]

LARGEST = 2**63 - 1
"""Of any count or size in a record: JSON has integers that no float can hold."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MetricValue(_Part):
    """One measured number with its 95% interval.

    `value` is None where nothing could be scored; `low` and `high` are None where no interval could be given; in both
    cases `reason` says why. `n_scored` of `n_expected` images entered (of a composite: summed over its parts). Units:
    fraction (of images), points (100 x cosine), distance (FID and its kin), count. `spread`: where the method erased
    several times, the standard deviation over its seeds; `value` is then their mean and the interval holds both.
    """

    value: FiniteFloat | None
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None
    n_scored: int = Field(ge=0, le=LARGEST)
    n_expected: int = Field(ge=0, le=LARGEST)
    unit: Unit
    reason: str | None = None
    spread: FiniteFloat | None = Field(default=None, ge=0, le=1e12)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.n_scored > self.n_expected:
            raise ValueError(f"{self.n_scored} images scored where {self.n_expected} were expected")
        if (self.value is None or self.low is None) and not self.reason:
            raise ValueError("a metric without a value or interval needs a reason")
        if (self.low is None) != (self.high is None) or (self.value is None and self.low is not None):
            raise ValueError("an interval needs both ends and a value inside it")
        ends = [end for end in (self.low, self.value, self.high) if end is not None]
        if ends != sorted(ends):
            raise ValueError(f"{self.value} lies outside its interval [{self.low}, {self.high}]")
        return self

    @property
    def has_interval(self) -> bool:
        return self.low is not None


class TallyCell(NamedTuple):
    """One prompt or seed: its number, the sum over its scored images, and how many those are."""

    cluster: int
    total: float
    images: int


class Tally(_Part):
    """One part of the primary metric, added up for each prompt or seed, whichever the suite resamples.

    `by_cluster`: 'n:sum/count' of each, blanks between them. n numbers the prompts (or seeds) in the order of the
    prompt table, so that records on one table agree about it; count: images scored. `fraction`: values lie in [0, 1].
    """

    fraction: bool
    by_cluster: str = Field(
        pattern=r"^([0-9]{1,9}:-?[0-9]{1,12}(\.[0-9]{1,6})?/[0-9]{1,9}( |$))+$", max_length=4_000_000
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        cells = self.cells()
        if len({cell.cluster for cell in cells}) < len(cells):
            raise ValueError("a prompt or seed is given twice")
        if self.fraction and not all(0 <= cell.total <= cell.images for cell in cells):
            raise ValueError("a share lies outside [0, 1]")
        return self

    @classmethod
    def of(cls, cells: Iterable[TallyCell], *, fraction: bool) -> Self:
        """The tally of these cells, by rising number; sums to six decimals."""
        texts = (f"{n}:{f'{total:.6f}'.rstrip('0').rstrip('.')}/{images}" for n, total, images in sorted(cells))
        return cls(fraction=fraction, by_cluster=" ".join(texts))

    def cells(self) -> list[TallyCell]:
        """What `by_cluster` says."""
        parts = [cell.replace("/", ":").split(":") for cell in self.by_cluster.split()]
        return [TallyCell(int(number), float(total), int(images)) for number, total, images in parts]


class Pairing(_Part):
    """What the primary metric was computed from: two records that share a prompt table can be compared in pairs by it.

    The primary metric is `scale` x the formula of that name (erasebench.metrics.composites.FORMULAS) of the means of
    the parts.
    """

    formula: Formula
    scale: float = Field(default=1.0, ge=-1e6, le=1e6)
    parts: dict[str, Tally]


class Edit(_Part):
    """How large the edit is, in numbers that every method has; of an average, the mean over its runs.

    A value is changed where it differs from the pipeline's own in the pipeline's dtype; a tensor where any value of it
    is. All zero for the unedited model, and but for `sampling` and `bytes` for an edit that acts while sampling alone.
    """

    tensors: int = Field(ge=0, le=LARGEST, description="weight tensors changed")
    values: int = Field(ge=0, le=LARGEST, description="weight values changed")
    unet_share: FiniteFloat = Field(ge=0, le=1, description="of the U-Net's values, those changed")
    text_encoder_share: FiniteFloat = Field(default=0.0, ge=0, le=1, description="of the text encoder's, those changed")
    relative_change: FiniteFloat | None = Field(
        ge=0,
        description="||W' - W|| / ||W|| (Frobenius) over the tensors changed; None where that is no finite number",
    )
    sampling: str | None = Field(default=None, description="kind of the change of sampling; None for weights alone")
    bytes: int = Field(
        ge=0, le=LARGEST, description="float32 tensors that carry the edit: those changed, and those of `sampling`"
    )
