"""The GPU check at tiny sizes on a CPU: every section runs, is written as it goes, and a broken one stops no other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from erasebench.bench import gpu
from erasebench.bench.sections import SECTIONS

TINY = ["--device", "cpu", "--tiny"]


def written(folder: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((folder / "check.json").read_text())
    return found


def test_every_section_runs_on_a_cpu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu.main(["--out", str(tmp_path), *TINY]) == 0
    found, printed = written(tmp_path), capsys.readouterr().out
    assert all(f"{name} (" in printed for name in SECTIONS)
    assert found["miniature"] == {
        "largest difference of a pixel, of 255": 0,
        "share of values that are equal": 1.0,
        "uce: relative difference of weights": 0.0,
        "rece: relative difference of weights": 0.0,
    }, "a CPU against itself"
    sampled = found["sampling"]
    assert isinstance(sampled, dict) and [each["finite"] for each in sampled.values()] == [2, 2, 2]
    erased = found["erasing"]
    assert isinstance(erased, dict) and "MACE: LoRAs" in erased["mace, 2 people"]["stages"]
    assert str(found["command"]).startswith(
        "python -m erasebench.bench.gpu --device cpu --seconds 450 --only ceilings,"
    )


def test_a_section_that_breaks_off_is_written_and_the_others_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(check: object) -> dict[str, object]:
        raise RuntimeError("no kernel image is available for execution on the device")

    monkeypatch.setitem(SECTIONS, "sampling", broken)
    assert gpu.main(["--out", str(tmp_path), "--only", "sampling,ceilings", *TINY]) == 1
    found = written(tmp_path)
    assert found["sampling"] == {"broke off": "RuntimeError: no kernel image is available for execution on the device"}
    assert "copy, GB/s" in found["ceilings"]  # type: ignore[operator]


def test_without_time_a_section_is_left_out_and_says_so(tmp_path: Path) -> None:
    words = ["--out", str(tmp_path), "--device", "cpu", "--only", "sampling", "--seconds", "5"]
    assert gpu.main(words) == 0
    assert written(tmp_path)["sampling"] == "left out: no time"


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--only", "samplin", *TINY], "There is no section 'samplin'."), (["--device", "cuda"], "no CUDA device")],
)
def test_a_mistake_is_answered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main(["--out", str(tmp_path / "out"), *words]) == 2
    assert said in capsys.readouterr().out
    assert not (tmp_path / "out").exists()
