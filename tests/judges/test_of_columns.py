"""Metrics that are means of columns: their names, values, units, and how records are compared by them."""

from __future__ import annotations

import pandas as pd
import pytest

from erasebench.api.judge import MISSING, SCORED
from erasebench.api.judge_metrics import Expected, Paired
from erasebench.metrics.of_columns import ColumnMeans


def rows() -> pd.DataFrame:
    groups = ["erased", "erased", "erased", "retain-seen", "retain-heldout", "general"]
    return pd.DataFrame(
        {
            "group": groups,
            "outcome": [SCORED, SCORED, MISSING, SCORED, SCORED, SCORED],
            "sharpness": [1.0, 3.0, None, 5.0, 7.0, 11.0],
            "dark": [0.0, 1.0, None, 1.0, 0.0, 1.0],
            "cluster": ["a", "b", "c", "d", "e", "f"],
        }
    )


def test_a_mean_for_each_column_and_part() -> None:
    found = ColumnMeans(sharpness="points", dark="fraction").of_suite(rows())
    values = {name: metric.value for name, metric in found.items()}
    assert values == {
        "sharpness_e": 2.0,
        "sharpness_s": 6.0,
        "sharpness_s_seen": 5.0,
        "sharpness_s_heldout": 7.0,
        "sharpness_general": 11.0,
        "dark_e": 0.5,
        "dark_s": 0.5,
        "dark_s_seen": 1.0,
        "dark_s_heldout": 0.0,
        "dark_general": 1.0,
    }
    assert (found["sharpness_e"].n_scored, found["sharpness_e"].n_expected) == (2, 3)
    assert (found["sharpness_e"].unit, found["dark_e"].unit) == ("points", "fraction")


def test_of_a_folder_a_mean_for_each_column() -> None:
    found = ColumnMeans(sharpness="points").of_images(rows())
    assert {name: metric.value for name, metric in found.items()} == {"sharpness": pytest.approx(27 / 5)}


def test_what_is_expected_of_a_judge_that_is_not_there() -> None:
    expected = ColumnMeans(dark="fraction").expected({"e": 4, "s": 0, "general": 3})
    assert expected == {"dark_e": Expected("fraction", 4), "dark_general": Expected("fraction", 3)}


def test_every_mean_over_a_part_is_paired() -> None:
    assert ColumnMeans(sharpness="points").paired()["sharpness_e"] == Paired("sharpness", {"mean": "e"}, False)


def test_no_column_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a column"):
        ColumnMeans()


def test_a_unit_that_there_is_not_is_named_with_its_column() -> None:
    with pytest.raises(ValueError, match="sharpness has the unit 'levels'; the units are fraction, points, distance"):
        ColumnMeans(sharpness="levels")  # type: ignore[arg-type]


def test_a_judge_needs_the_columns_that_its_metrics_read() -> None:
    assert ColumnMeans(sharpness="points", dark="fraction").reads == ("sharpness", "dark")
