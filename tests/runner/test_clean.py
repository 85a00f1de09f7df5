"""`erasebench clean`: what a later run made superfluous goes, after asking; everything else stays."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

import erasebench
from erasebench.cli import main
from erasebench.results.record import Record
from erasebench.runner import clean
from erasebench.runner.clean import superfluous

SOURCE = """
from erasebench.api.concepts import EVERY_KIND
from erasebench.api.erasure import Erasure
from erasebench.api.method import Method, MethodConfig
import torch

class Mine(Method):
    name = "mine"
    kinds = EVERY_KIND
    Config = MethodConfig

    def edits(self, parameter):
        return parameter.startswith("unet.conv_out.bias")

    def erase(self, pipeline, task, workspace):
        return Erasure({"unet.conv_out.bias": pipeline.unet.conv_out.bias.detach().clone() + STEP})
"""


def files(*places: Path) -> set[Path]:
    return {
        path for place in places for path in place.rglob("*") if path.is_file() and not path.name.startswith("lock")
    }


@pytest.fixture
def twice(words: dict[str, Any], tmp_path: Path) -> tuple[Path, Path, set[Path], list[str]]:
    """A board and runs of a method that was edited and run again; what the first run left, and the records' ids."""
    path, ids = tmp_path / "mine.py", []
    out, runs = words["out"], words["runs_folder"]
    before: set[Path] = set()
    for step, seconds in (("0.01", 1_000_000_000), ("0.02", None)):
        path.write_text(SOURCE.replace("STEP", step))
        summary = erasebench.run(**words | {"method": f"{path}:Mine", "baselines": "none"})
        (own,) = [record.id for record in summary.records if record.method == "mine"]
        ids.append(own)
        if seconds is not None:
            before = {each for each in files(out, runs) if "mine" in str(each.relative_to(tmp_path))}
            for each in before:
                os.utime(each, (seconds, seconds))
    return out, runs, before, ids


def test_an_edited_method_leaves_one_run_of_it(
    twice: tuple[Path, Path, set[Path], list[str]], words: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    out, runs, before, (first, second) = twice
    everything = files(out, runs)
    places = ["--out", str(out), "--runs-folder", str(runs)]
    assert main(["clean", *places]) == 0
    printed = capsys.readouterr().out
    assert (
        "Nothing was removed: give --yes to remove them." in printed
        and f"{first}.json" in printed
        and second not in printed
    )
    assert files(out, runs) == everything
    assert main(["clean", *places, "--yes"]) == 0
    assert before & files(out, runs) == set()
    assert everything - before - files(out, runs) == set()
    assert first not in (out / "README.md").read_text() and second in (out / "README.md").read_text()
    capsys.readouterr()
    assert main(["clean", *places, "--yes"]) == 0
    assert "There is nothing to remove" in capsys.readouterr().out


def test_erasures_under_other_sampling_are_no_older_ones(tmp_path: Path) -> None:
    def asked(**numerics: object) -> str:
        whole = {"model": "m", "sampling": {"steps": 12}, "profile": {"device_type": "cpu"}, "sampler": "s"} | numerics
        return clean._asked(tmp_path / "folder", {"method": "mace", "version": "v", "numerics": whole})

    assert asked() == asked(sampler="another version")
    others = ({"sampling": {"steps": 20}}, {"profile": {"device_type": "cuda"}}, {"model": "n"})
    assert len({asked(), *(asked(**other) for other in others)}) == 4


def test_what_the_board_shows_stays_though_something_was_made_after_it(
    twice: tuple[Path, Path, set[Path], list[str]],
) -> None:
    out, runs, _, (first, second) = twice
    os.utime(out / "results" / f"{second}.json", (1, 1))
    found = superfluous(out, runs)
    assert {each.path for each in found} >= {out / "results" / f"{second}.json"}
    assert not [each.path for each in found if runs in each.path.parents]
    assert first not in str([each.path for each in found])


def test_nothing_outside_and_nothing_in_use_is_touched(
    twice: tuple[Path, Path, set[Path], list[str]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from erasebench.store.run_folder import RunFolder

    out, runs, _, _ = twice
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / ".writing-1-ab-x.json").write_text("x")
    os.utime(elsewhere / ".writing-1-ab-x.json", (1, 1))
    (out / "link").symlink_to(elsewhere, target_is_directory=True)
    old = out / ".writing-1-ab-y.json"
    old.write_text("y")
    os.utime(old, (1, 1))
    (out / ".writing-2-ab-z.json").write_text("z")
    found = superfluous(out, runs)
    assert old in {each.path for each in found} and not any("elsewhere" in str(each.path) for each in found)
    (erasure,) = [each.path for each in found if (each.path / "run.json").is_file()]
    method, _, identity = erasure.name.rpartition("-")
    suite, _, scale = erasure.parent.name.rpartition("-")
    with RunFolder(runs, erasure.parent.parent.name, suite, scale, method, identity).locked():
        clean.remove(found)
    assert (erasure / "run.json").is_file() and "is working in" in caplog.text
    assert (elsewhere / ".writing-1-ab-x.json").exists() and (out / ".writing-2-ab-z.json").exists()
    assert not old.exists()


def test_a_hostile_finished_file_points_nowhere_else(
    twice: tuple[Path, Path, set[Path], list[str]], tmp_path: Path
) -> None:
    out, runs, _, _ = twice
    precious = tmp_path / "precious"
    precious.mkdir()
    whole_world = next(runs.iterdir())
    for target in (precious, whole_world, runs):
        point_at(target, runs)
        paths = {each.path for each in superfluous(out, runs)}
        assert not paths & {precious, whole_world, runs, whole_world.resolve()}
    assert Record.read(next((out / "results").glob("*mine*.json"))).method == "mine"


def point_at(target: Path, runs: Path) -> None:
    for file in runs.glob("*/*/finished/mine-*.json"):
        content, stamp = json.loads(file.read_text()), file.stat().st_mtime
        file.write_text(json.dumps(content | {"images": os.path.relpath(target, file.parent)}))
        os.utime(file, (stamp, stamp))


def test_no_folder_at_all_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["clean", "--out", str(tmp_path / "a"), "--runs-folder", str(tmp_path / "b")]) == 2
    assert "Neither of the folders" in capsys.readouterr().err
