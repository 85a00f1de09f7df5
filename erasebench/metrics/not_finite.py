"""Images that the model could not make: it gave NaN or infinity, and every metric that lacks them says so."""

from __future__ import annotations

import pandas as pd

from erasebench.api.judge import NOT_FINITE
from erasebench.metrics.parts import MetricValues


def naming_not_finite(metrics: MetricValues, rows: pd.DataFrame) -> MetricValues:
    """The metrics of one judge's rows, each that has unscored images with the count of NaN images as its reason.

    Where all images are such, nothing else is the reason; else what the metric says already follows.
    """
    count = int((rows["outcome"] == NOT_FINITE).sum())
    if not count:
        return metrics
    why = f"the model gave NaN or infinity for {count} of {len(rows)} images"
    return {
        name: metric.model_copy(
            update={"reason": why if count == len(rows) or not metric.reason else f"{why}; {metric.reason}"}
        )
        if metric.n_scored < metric.n_expected
        else metric
        for name, metric in metrics.items()
    }
