"""What `erasebench score` is given: settings by either spelling, and every mistake before any work."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from erasebench.api.judge_settings import JudgeSettings
from erasebench.api.world import World
from erasebench.cli import main
from erasebench.errors import UserError


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--judge", "fidd"], "There is no judge 'fidd'.\nDid you mean 'fid'?"),
        (["--judge", "nudenet", "--out", "rows.xlsx"], "--out rows.xlsx: the format is not known."),
        (["--judge", "nudenet", "--threshold", "0.1"], "The judges' setting nudenet_threshold"),
        (["--judge", "nudenet", "--judge-set", "nudenet_threshold=0.1"], "The judges' setting nudenet_threshold"),
        (
            ["--judge", "nudenet", "--threshold", "0.5", "--judge-set", "nudenet_threshold=0.4"],
            "The judge setting nudenet_threshold is given as both 0.4 and 0.5.",
        ),
        (["--judge", "gcd"], "The judge face-id cannot run: Giphy's celebrity detector (MPL-2.0)"),
        (["--judge", "fid"], "The judge fid cannot run: FID's Inception network"),
        (["--judge", "nudenet"], "There is no folder /nonexistent."),
        ([], "Missing option"),
    ],
)
def test_a_mistake_is_told_before_any_work(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["score", "/nonexistent", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith(message)
    assert len(printed.err.strip().splitlines()) == 2


SHORT = {
    **{"reference": "reference", "clip": "clip", "inception": "inception", "gcd-resources": "gcd_resources"},
    **{"gcd-rule": "gcd_rule", "nudenet": "nudenet", "nudenet-resolution": "nudenet_resolution"},
    **{"threshold": "nudenet_threshold", "counting": "nudenet_counting"},
}


def test_every_setting_has_a_short_spelling_that_means_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"gcd_rule": "largest-face", "nudenet_resolution": "640", "nudenet_threshold": "0.5"}
    values |= {"nudenet_counting": "images"}
    assert set(SHORT.values()) == set(JudgeSettings.model_fields) - {"names", "trust_torchscript", "packages"}
    seen: list[JudgeSettings] = []

    def stop(folder: Path, judges: Sequence[str], world: World, **_: object) -> None:
        seen.append(world.judge_settings)
        raise UserError("far enough", "")

    monkeypatch.setattr("erasebench.scoring.report.score_folder", stop)
    for short, setting in SHORT.items():
        value = values.get(setting, "some/where")
        for spelling in ([f"--{short}", value], ["--judge-set", f"{setting}={value}"]):
            assert main(["score", "x", "--judge", "nudenet", *spelling]) == 2
    assert len(seen) == 2 * len(SHORT)
    assert all(one == other != JudgeSettings() for one, other in zip(seen[::2], seen[1::2], strict=True))


def test_a_mistake_loads_nothing_heavy(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from erasebench.cli import main\n"
        "assert main(['score', '/nonexistent', '--judge', 'nudenet']) == 2\n"
        "assert main(['score', '/nonexistent', '--judge', 'gcd']) == 2\n"
        "assert not {'torch', 'onnxruntime'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
