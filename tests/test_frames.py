"""Results as DataFrames: every metric a row, its unit beside it, nothing of a record's text live in a notebook."""

from __future__ import annotations

import math

from erasebench.api.value import MetricValue
from erasebench.results.frames import as_html, metrics_frame, records_frame
from tests.sample_records import record


def test_a_record_is_a_row_for_each_metric() -> None:
    mace = record("mace")
    frame = records_frame([mace])
    assert list(frame["metric"]) == list(mace.metrics)
    first = frame.iloc[0]
    metric = mace.metrics[first["metric"]]
    assert (first["value"], first["low"], first["high"], first["unit"]) == (
        metric.value,
        metric.low,
        metric.high,
        metric.unit,
    )
    assert set(frame["method"]) == {"mace"}


def test_a_failed_record_is_a_row_with_its_reason() -> None:
    failed = record("mace", status="failed", error="the disk is full", metrics={})
    (row,) = records_frame([failed]).to_dict(orient="records")
    assert (row["status"], row["reason"], row["metric"]) == ("failed", "the disk is full", None)


def test_an_unscored_figure_keeps_its_reason() -> None:
    unscored = MetricValue(value=None, n_scored=0, n_expected=5, unit="fraction", reason="no face in any image")
    (row,) = metrics_frame({"gcd": {"erased": {"accuracy": unscored}}}).to_dict(orient="records")
    assert row["value"] is None or math.isnan(row["value"])
    assert row["reason"] == "no face in any image"


def test_a_notebook_shows_fractions_in_percent_and_escapes() -> None:
    found = MetricValue(value=0.25, low=0.125, high=0.5, n_scored=4, n_expected=4, unit="fraction")
    html = as_html(metrics_frame({"gcd": {"<img src=x>": {"accuracy": found}}}))
    assert "<td>25</td>" in html
    assert "<td>12.5</td>" in html
    assert "<td>%</td>" in html
    assert "<img" not in html


def test_no_results_are_said() -> None:
    assert as_html(records_frame([])) == "<p>No results.</p>"
