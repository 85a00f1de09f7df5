"""Images that the model could not make: it gave NaN or infinity, and every figure that lacks them says so."""

from __future__ import annotations

import pandas as pd

from erasebench.api.judge import NOT_FINITE
from erasebench.metrics.parts import Figures


def naming_not_finite(figures: Figures, rows: pd.DataFrame) -> Figures:
    """The figures of one judge's rows, each that has unscored images with the count of NaN images as its reason.

    Where all images are such, nothing else is the reason; else what the figure says already follows.
    """
    count = int((rows["outcome"] == NOT_FINITE).sum())
    if not count:
        return figures
    why = f"the model gave NaN or infinity for {count} of {len(rows)} images"
    return {
        name: figure.model_copy(
            update={"reason": why if count == len(rows) or not figure.reason else f"{why}; {figure.reason}"}
        )
        if figure.n_scored < figure.n_expected
        else figure
        for name, figure in figures.items()
    }
