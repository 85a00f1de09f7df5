"""Out through every format that we write and in again through `checkpoint`: the metrics are the direct run's, exactly.

On the miniature, with its own weights and judges.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import erasebench
from erasebench.api.erasure import WEIGHTS_FILE
from erasebench.api.value import MetricValue
from erasebench.cli import main
from erasebench.results.record import Record

LIMIT = 8


def measured(folder: Path, method: str, settings: dict[str, object]) -> Record:
    summary = erasebench.run(
        method=method,
        suite="celebrity",
        scale=1,
        limit=LIMIT,
        settings=settings,
        baselines="none",
        out=folder / "board",
        runs_folder=folder / "runs",
    )
    (record,) = summary.records
    return record


@pytest.mark.slow
@pytest.mark.parametrize(("method", "settings"), [("uce", {}), ("esd-x", {"esd-x.steps": 5})])
def test_the_figures_of_what_was_exported_are_those_of_the_direct_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], method: str, settings: dict[str, object]
) -> None:
    words = ["erase", "--method", method, "--suite", "celebrity", "--scale", "1"]
    words += [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    printed: dict[str, str] = {}
    for export in ("folder", "changed.safetensors"):
        places = ["--runs-folder", str(tmp_path / "runs"), "--export", str(tmp_path / export)]
        assert main([*words, *places]) == 0
        printed |= dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    direct = measured(tmp_path, method, settings)
    assert direct.manifest.digests["erasure"]
    assert sum(metric.value is not None for metric in direct.metrics.values()) > 5
    forms = {
        "pipeline": Path(printed["Pipeline"]),
        "unet": Path(printed["Pipeline"]) / "unet",
        "file": Path(printed["Weights"]),
        "erasure": Path(printed["Erasure"]) / WEIGHTS_FILE,
    }
    for form, path in forms.items():
        # A folder of runs for each: nothing is read from what another form made.
        found = measured(tmp_path / form, "checkpoint", {"checkpoint.path": path})
        assert metrics(found) == metrics(direct), form
        assert found.manifest.digests["erasure"] == direct.manifest.digests["erasure"], form
    unedited = measured(tmp_path / "unedited", "original", {})
    assert metrics(unedited) != metrics(direct), "the edit shows"


def metrics(record: Record) -> dict[str, MetricValue]:
    """Every metric whole: value, interval, number of images."""
    return record.metrics
