"""What a suite says about its own table: which metrics, in which order, under which titles, and which one ranks.

A suite's YAML holds a `table:` that reads as a `MetricTable`; every record carries a copy, so that the board needs the
records and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from erasebench.identity import presentation_field

_COUNT = "{n}"


class Column(BaseModel):
    """One metric of the table.

    `key` names the metric; `{n}` in it stands for a number that is part of the metric's name (`fid_mini_{n}` reads
    `fid_mini_256` and titles it with that N). Shown is value x `scale` with `decimals` digits after the point.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str = Field(pattern=r"^[A-Za-z0-9_]*(\{n\})?[A-Za-z0-9_]*$", min_length=1, max_length=80)
    title: str = Field(min_length=1, max_length=200)
    direction: Literal["up", "down"] | None = None
    scale: FiniteFloat = 1.0
    decimals: int = Field(default=1, ge=0, le=6)
    meaning: str = Field(
        min_length=1,
        description="one line for the reading guide: what the metric measures",
    )

    @property
    def heading(self) -> str:
        """The title with its unit, where that is percent, and the arrow of the better direction."""
        return (
            self.title
            + ", %" * (self.scale == 100 and "%" not in self.title)
            + {"up": " ↑", "down": " ↓", None: ""}[self.direction]
        )

    @property
    def counted(self) -> bool:
        return _COUNT in self.key

    def matching(self, metrics: Iterable[str]) -> tuple[Column, ...]:
        """This column once for each metric name that it reads, by rising N; empty where there is none."""
        if not self.counted:
            return (self,) if self.key in set(metrics) else ()
        pattern = re.compile(re.escape(self.key).replace(re.escape(_COUNT), "([0-9]{1,12})"))
        counts = {int(found[1]) for found in map(pattern.fullmatch, metrics) if found}
        return tuple(
            self.model_copy(
                update={
                    "key": self.key.replace(_COUNT, str(n)),
                    "title": self.title.replace(_COUNT, f"{n:,}"),
                }
            )
            for n in sorted(counts)
        )


class MetricTable(BaseModel):
    """A suite's table: its columns in order and the metric that ranks its rows.

    The columns and their words are presentation: to change them changes no result and sets no two records apart.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    primary_metric: str
    resampled: Literal["prompt", "seed"] = Field(
        default="prompt",
        description="the unit of the intervals; seed: for few, fixed prompts with many seeds each",
    )
    columns: tuple[Column, ...] = presentation_field(min_length=1, max_length=200)
    about: str = presentation_field("", "what the suite does, in one or two sentences for the reading guide")

    @model_validator(mode="after")
    def _primary_metric_is_ranked(self) -> Self:
        keys = [column.key for column in self.columns]
        if len(set(keys)) < len(keys):
            raise ValueError(
                f"a column is given twice: {', '.join(sorted({key for key in keys if keys.count(key) > 1}))}"
            )
        if not any(column.key == self.primary_metric and column.direction for column in self.columns):
            raise ValueError(
                f"the primary metric {self.primary_metric!r} is not a column with a direction: {', '.join(keys)}"
            )
        return self

    @property
    def primary_column(self) -> Column:
        """The column of the primary metric: it has a direction."""
        return next(column for column in self.columns if column.key == self.primary_metric)
