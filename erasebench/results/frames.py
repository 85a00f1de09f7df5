"""Results as pandas DataFrames, and as tables in a notebook: one line a metric, its unit said in each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from erasebench.api.value import MetricValue
    from erasebench.results.record import Record

PERCENT = 100.0


def records_frame(records: Iterable[Record]) -> pd.DataFrame:
    """One row a record and metric: world, suite, scale, method, variant, metric, then as `metrics_frame`.

    A failed record is one row whose `reason` is its error. `shipped`: made elsewhere, shown for comparison.
    `stand_ins`: the parts of the run that were stand-ins, by commas; such values are no results.
    """
    rows = []
    for record in records:
        own = {
            "world": record.world,
            "suite": record.suite,
            "scale": record.scale,
            "method": record.method,
            "variant": record.variant,
        }
        marks = {
            "shipped": record.shipped,
            "partial": record.partial,
            "stand_ins": ", ".join(record.stand_ins),
            "status": record.status,
            "record": record.id,
        }
        rows += [{**own, "metric": name, **_values(metric), **marks} for name, metric in record.metrics.items()]
        if record.status == "failed":
            rows.append({**own, "metric": None, "reason": record.error, **marks})
    return pd.DataFrame(rows)


def metrics_frame(metrics: Mapping[str, Mapping[str, Mapping[str, MetricValue]]]) -> pd.DataFrame:
    """One row a judge, group and metric: value, low, high (95% interval), unit, n_scored, n_expected, reason.

    `value`, `low` and `high` are in `unit`: fraction lies in [0, 1], points are 100 x cosine, distance and count are
    as they are. NaN: unscored, or without an interval; `reason` says why.
    """
    return pd.DataFrame(
        [
            {"judge": judge, "group": group, "metric": name, **_values(metric)}
            for judge, groups in metrics.items()
            for group, named in groups.items()
            for name, metric in named.items()
        ]
    )


def as_html(frame: pd.DataFrame) -> str:
    """The frame as an HTML table for a notebook: fractions in percent and marked so; every text escaped."""
    if frame.empty:
        return "<p>No results.</p>"
    shown = frame.copy()
    percent = shown["unit"].eq("fraction") if "unit" in shown else pd.Series(data=False, index=shown.index)
    for column in ("value", "low", "high"):
        if column in shown:
            shown[column] = [
                _number(value, is_percent) for value, is_percent in zip(shown[column], percent, strict=True)
            ]
    if "unit" in shown:
        shown["unit"] = shown["unit"].mask(percent, "%")
    return str(shown.fillna("").to_html(index=False, escape=True, border=0))


def _values(metric: MetricValue) -> dict[str, Any]:
    return {
        "value": metric.value,
        "low": metric.low,
        "high": metric.high,
        "unit": metric.unit,
        "n_scored": metric.n_scored,
        "n_expected": metric.n_expected,
        "reason": metric.reason,
    }


def _number(value: Any, percent: bool) -> str:
    return "" if pd.isna(value) else f"{value * (PERCENT if percent else 1.0):.4g}"
