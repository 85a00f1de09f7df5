"""The metrics of every judge of erasebench's own, by judge, as a run hands them to what computes metrics."""

from __future__ import annotations

from erasebench.api.judge_metrics import Metrics
from erasebench.api.judges import OWN, metrics_of

METRICS: dict[str, Metrics] = {name: metrics for name in OWN if (metrics := metrics_of(name)) is not None}
