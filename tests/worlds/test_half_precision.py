"""The judged metrics of the miniature in half precision lie inside the intervals of float32."""

from __future__ import annotations

from pathlib import Path

import pytest

import erasebench
from erasebench.results.record import Record


def metrics_of(folder: Path, dtype: str) -> Record:
    places = {"out": folder / dtype, "runs_folder": folder / "runs"}
    summary = erasebench.run("uce", "celebrity", limit=24, dtype=dtype, baselines="none", **places)  # type: ignore[arg-type]
    (record,) = summary.records
    return record


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["bfloat16"])
def test_metrics_in_half_precision_lie_inside_the_intervals_of_float32(tmp_path: Path, dtype: str) -> None:
    exact, half = metrics_of(tmp_path, "float32"), metrics_of(tmp_path, dtype)
    assert half.manifest.profile.dtype == dtype and half.manifest.profile.vae_dtype == "float32"
    assert half.manifest.digests["erasure"] == exact.manifest.digests["erasure"], "both erase in float32"
    assert half.identity != exact.identity
    compared = 0
    for name, metric in exact.metrics.items():
        if metric.low is None or metric.high is None:
            continue
        value = half.metrics[name].value
        assert value is not None and metric.low <= value <= metric.high, f"{name}: {value} beside {metric}"
        compared += 1
    assert compared >= 8
