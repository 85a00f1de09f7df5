"""Metrics that are means of a judge's columns: the shortest way to give a judge its metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from erasebench.api.judge_metrics import Expected, Metrics, Paired
from erasebench.api.value import MetricValue, Unit
from erasebench.metrics.parts import PARTS, column_mean, parts_of
from erasebench.metrics.statistics import mean_value

UNITS = ("fraction", "points", "distance")


class ColumnMeans(Metrics):
    """The mean of each named column over each part of a suite.

    `ColumnMeans(sharpness="points", dark="fraction")` gives sharpness_e (erased), sharpness_s (retained) with its parts
    sharpness_s_seen and sharpness_s_heldout, sharpness_g (synonyms), sharpness_general, and the same of dark. Units:
    'fraction' (values in [0, 1]), 'points', 'distance'. Of a folder of images: sharpness and dark.
    """

    def __init__(self, **units: Unit) -> None:
        if not units:
            raise ValueError("ColumnMeans needs a column, as ColumnMeans(sharpness='points')")
        for column, unit in units.items():
            if unit not in UNITS:
                raise ValueError(f"ColumnMeans: {column} has the unit {unit!r}; the units are {', '.join(UNITS)}")
        self.units = dict(units)

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns that the judge's rows need."""
        return tuple(self.units)

    def of_suite(self, rows: pd.DataFrame) -> dict[str, MetricValue]:
        """See the class; a part without rows has none."""
        return {
            f"{column}_{part}": self._mean(own, column)
            for column in self.units
            for part, own in _parts_and_general(rows)
        }

    def of_images(self, rows: pd.DataFrame) -> dict[str, MetricValue]:
        """Each column's mean."""
        return {column: self._mean(rows, column) for column in self.units}

    def expected(self, images: Mapping[str, int]) -> dict[str, Expected]:
        """The same names, for parts that have images."""
        return {
            f"{column}_{part}": Expected(unit, images[part])
            for column, unit in self.units.items()
            for part in (*PARTS, "general")
            if images.get(part)
        }

    def paired(self) -> Mapping[str, Paired]:
        """Every mean is the mean over prompts."""
        return {
            f"{column}_{part}": Paired(column, {"mean": part}, unit == "fraction")
            for column, unit in self.units.items()
            for part in PARTS
        }

    def _mean(self, rows: pd.DataFrame, column: str) -> MetricValue:
        unit = self.units[column]
        return mean_value(column_mean(rows, column, fraction=unit == "fraction"), unit=unit)


def _parts_and_general(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    yield from parts_of(rows)
    general = rows[rows["group"] == "general"]
    if len(general):
        yield "general", general
