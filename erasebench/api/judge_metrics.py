"""What the rows of a judge add up to, and the settings of a judge that a package brings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, NamedTuple

import pandas as pd
from pydantic import BaseModel, ConfigDict

from erasebench.api.value import Formula, MetricValue, Unit

Names = Literal["any", "classes", "lists"]
"""The concepts that a judge can recognise: any; those of a list that takes new ones; those of the world's lists."""


class Expected(NamedTuple):
    """A metric that a judge would have given: its unit, and how many images it would have rested on."""

    unit: Unit
    images: int


class Paired(NamedTuple):
    """How a metric is made of one value per image, so that two records can be compared prompt by prompt.

    `values`: a column of the judge, or a function of a part's rows that gives one float per row (NaN: unscored).
    `parts`: each argument of `formula` (erasebench.metrics.composites.FORMULAS) and the part that it is the mean over:
    'e', 's', 's_seen', 's_heldout', 'g'. `fraction`: values lie in [0, 1]. `total`: the metric is the formula's value
    times the number of images.
    """

    values: str | Callable[[pd.DataFrame], Any]
    parts: Mapping[str, str]
    fraction: bool
    formula: Formula = "mean"
    total: bool = False


class Metrics(ABC):
    """What the rows of a judge add up to, and what is known of the judge before it is opened.

    `rows` is the prompt table (row, group, concept, prompt, seed) with `outcome`, the judge's columns, and `cluster`:
    rows that share it are not independent. The methods are pure functions of tables, so that metrics can be computed
    again at any time. erasebench.metrics.statistics makes values with intervals;
    erasebench.metrics.of_columns.ColumnMeans is all of this for judges whose metrics are means of columns.

    Direction, title and scale of a metric stand in the suite's table, its unit in the value.
    """

    names: ClassVar[Names] = "any"
    """The concepts that the judge can tell."""
    needs_prompt: ClassVar[bool] = False
    """Whether an image cannot be judged without its prompt; `erasebench score` then leaves it unscored."""

    @property
    def reads(self) -> tuple[str, ...]:
        """Columns of the judge's rows that are needed; a judge that does not have them is refused before any work."""
        return ()

    @abstractmethod
    def of_suite(self, rows: pd.DataFrame) -> dict[str, MetricValue]:
        """The metrics of a suite's rows, by the names that its table's columns read."""

    def with_others(self, rows: pd.DataFrame, others: Mapping[str, pd.DataFrame]) -> dict[str, MetricValue]:
        """Metrics that need the rows of other judges too; `others`: theirs, by judge, as far as they have judged."""
        return {}

    def reference(self, judge: Any, rows: pd.DataFrame) -> Any:
        """What the rows are compared with, asked of the open judge; None: nothing. It is passed on to `against`."""
        return None

    def against(self, rows: pd.DataFrame, reference: Any) -> dict[str, MetricValue]:
        """Metrics of the rows as a whole against what `reference` gave: of a suite, or of one group of images."""
        return {}

    def of_images(self, rows: pd.DataFrame) -> dict[str, MetricValue]:
        """The metrics of one group of images, for `erasebench score`; none unless a judge has some."""
        return {}

    def of_runs(self, runs: Mapping[str, pd.DataFrame]) -> dict[str, MetricValue]:
        """Metrics of an average over runs that are not the mean of the runs' metrics; `runs`: rows, by erased name.

        Every other column of the average's table is the mean over the runs, whatever the judge.
        """
        return {}

    def expected(self, images: Mapping[str, int]) -> dict[str, Expected]:
        """What the judge would give of so many images a part, had it been there: shown as unscored.

        `images`: by part ('e', 's', 's_seen', 's_heldout', 'g') and for 'general'; 0 where a part has no prompts.
        """
        return {}

    def can_give(self, name: str) -> bool:
        """Whether the judge may give a metric of this name; True where that is not known before it has judged."""
        named = self.expected(dict.fromkeys(("e", "s", "s_seen", "s_heldout", "g", "general"), 1))
        return not named or name in named

    def paired(self) -> Mapping[str, Paired]:
        """The metrics of a suite that can be compared prompt by prompt between two records."""
        return {}

    def paired_runs(self) -> Mapping[str, Paired]:
        """The same of `of_runs`; the formula gets the mean of each part of each run, named '<part> of <run>'."""
        return {}


class JudgeConfig(BaseModel):
    """Base of a judge's settings; a judge without any uses it as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")
