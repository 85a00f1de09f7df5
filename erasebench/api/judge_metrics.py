"""What the rows of a judge add up to, and the settings of a judge that a package brings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd
from pydantic import BaseModel, ConfigDict

from erasebench.api.value import MetricValue, Unit


class Expected(NamedTuple):
    """A metric that a judge would have given: its unit, and how many images it would have rested on."""

    unit: Unit
    images: int


class Paired(NamedTuple):
    """How a metric is the mean of one column over one part ('e', 's', ...): records can then be compared by prompt."""

    column: str
    part: str
    fraction: bool


class Metrics(ABC):
    """What the rows of a judge add up to: pure functions of tables, so that they can be computed again at any time.

    `rows` is the prompt table (row, group, concept, prompt, seed) with `outcome`, the judge's columns, and `cluster`:
    rows that share it are not independent. erasebench.metrics.statistics makes values with intervals of them;
    erasebench.metrics.of_columns.ColumnMeans is all of this for judges whose metrics are means of columns.
    """

    @abstractmethod
    def of_suite(self, rows: pd.DataFrame) -> dict[str, MetricValue]:
        """The metrics of a suite's rows, by the names that its table's columns read."""

    def of_images(self, rows: pd.DataFrame) -> dict[str, MetricValue]:
        """The metrics of one group of images, for `erasebench score`; none unless a judge has some."""
        return {}

    def expected(self, images: Mapping[str, int]) -> dict[str, Expected]:
        """What `of_suite` would give of so many images a part, had the judge been there: shown as unscored."""
        return {}

    def paired(self) -> Mapping[str, Paired]:
        """The metrics that can be compared prompt by prompt between two records."""
        return {}


class JudgeConfig(BaseModel):
    """Base of a judge's settings; a judge without any uses it as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")
