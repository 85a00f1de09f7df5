"""kill -9 at random moments of the real job on the miniature world: rerun, it ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from erasebench.files.atomic import is_temporary

STAGES = {
    "the unedited model's images": "images/original-*/ledger.jsonl",
    "refinement and training images": "celebrity-*/mace-*/run.json",
    "LoRAs": "celebrity-*/mace-*/scratch/training-images/*/masks.json",
    "the edited model's images": "images/mace-*/ledger.jsonl",
    "judgements": "celebrity-*/mace-*/judgements/*/*.parquet",
}
"""By stage, the file of the world's folder whose existence tells that it runs."""
METHODS = ["--method", "original", "--method", "mace", "--baselines", "none"]
JOB = ["run", *METHODS, "--suite", "celebrity", "--scale", "1", "--limit", "12"]
PATIENCE = 1800.0
"""Seconds that a stage may be waited for."""


class Run:
    """The job as a process group of its own, into `folder`."""

    def __init__(self, folder: Path) -> None:
        self.world = folder / "runs" / "miniature"
        start = "import sys; from erasebench.cli import main; sys.exit(main(sys.argv[1:]))"
        places = ["--out", str(folder / "leaderboard"), "--runs-folder", str(folder / "runs")]
        folder.mkdir(exist_ok=True)
        with (folder / "output.txt").open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", start, *JOB, *places], stdout=output, stderr=output, start_new_session=True
            )

    def wait_for(self, stage: str) -> None:
        """Return when `stage` has begun; fails where the job ends before it."""
        end = time.monotonic() + PATIENCE
        while not any(self.world.glob(STAGES[stage])):
            assert self.process.poll() is None, f"the job ended before its stage '{stage}'"
            assert time.monotonic() < end, f"the stage '{stage}' did not begin"
            time.sleep(0.02)

    def kill(self) -> int:
        """SIGKILL to the job's process group and no other; its exit code."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        return self.process.wait()


def timeless_records(folder: Path) -> dict[str, Any]:
    """The leaderboard's records by file name, without seconds and memory."""
    records = {path.name: json.loads(path.read_text()) for path in (folder / "leaderboard" / "results").glob("*.json")}
    for record in records.values():
        del record["manifest"]["stages"], record["manifest"]["sampling_ratio"]
    return records


def images(folder: Path) -> dict[str, bytes]:
    world = folder / "runs" / "miniature"
    whole = [path for path in world.glob("images/*/*.png") if not is_temporary(path)]
    return {path.relative_to(world).as_posix(): path.read_bytes() for path in whole}


@pytest.mark.slow
def test_killed_in_every_stage_it_ends_like_an_uninterrupted_run(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    run = Run(whole)
    begun = []
    for stage in STAGES:
        run.wait_for(stage)
        begun.append(time.monotonic())
    assert run.process.wait(PATIENCE) == 0, (whole / "output.txt").read_text()
    lengths = [after - before for before, after in zip(begun, [*begun[1:], time.monotonic()], strict=True)]

    moments = random.SystemRandom()
    for stage, length in zip(STAGES, lengths, strict=True):
        run = Run(killed)
        run.wait_for(stage)
        delay = moments.uniform(0, 0.7) * length
        time.sleep(delay)
        given = f"{delay:.2f} s into '{stage}' ({length:.2f} s long)"
        print(f"kill -9 {given}")
        assert run.kill() == -signal.SIGKILL, f"the job had ended {given}"
    assert Run(killed).process.wait(PATIENCE) == 0, (killed / "output.txt").read_text()

    expected = timeless_records(whole)
    assert sorted(record["method"] for record in expected.values()) == ["mace", "original"]
    assert timeless_records(killed) == expected
    assert images(killed) == images(whole)
    assert len(images(whole)) == 2 * 48
