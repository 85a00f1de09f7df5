from __future__ import annotations

import pytest
from pydantic import ValidationError

from erasebench.metrics.columns import Column, MetricTable


def test_a_heading_tells_unit_and_direction() -> None:
    assert Column(key="acc_e", title="Acc_e", direction="down", scale=100, meaning="m").heading == "Acc_e, % ↓"
    assert Column(key="clip", title="CLIP", direction="up", meaning="m").heading == "CLIP ↑"
    assert Column(key="no_face", title="No face", meaning="m").heading == "No face"


def test_a_column_finds_its_figure_by_name() -> None:
    column = Column(key="acc_e", title="Acc_e", meaning="m")
    assert column.matching(["acc_s", "acc_e"]) == (column,)
    assert column.matching(["acc_s", "acc_ee"]) == ()


def test_a_counted_column_stands_once_for_each_n() -> None:
    column = Column(key="fid_mini_{n}", title="FID-mini (N={n})", meaning="m")
    found = column.matching(["fid_mini_2048", "fid_mini_256", "fid_256", "fid_mini_x"])
    assert [(c.key, c.title) for c in found] == [
        ("fid_mini_256", "FID-mini (N=256)"),
        ("fid_mini_2048", "FID-mini (N=2,048)"),
    ]


def test_a_table_needs_a_headline_that_can_rank() -> None:
    columns = [{"key": "acc_e", "title": "Acc_e", "direction": "down", "meaning": "m"}]
    assert MetricTable.model_validate({"primary_metric": "acc_e", "columns": columns}).primary_metric == "acc_e"
    with pytest.raises(ValidationError, match="primary metric 'h_c' is not a column with a direction"):
        MetricTable.model_validate({"primary_metric": "h_c", "columns": columns})
    with pytest.raises(ValidationError, match="given twice: acc_e"):
        MetricTable.model_validate({"primary_metric": "acc_e", "columns": columns * 2})
    with pytest.raises(ValidationError, match="Extra inputs"):
        MetricTable.model_validate({"primary_metric": "acc_e", "columns": columns, "colour": "red"})
