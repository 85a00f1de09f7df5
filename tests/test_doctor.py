"""What doctor says of judges: each one is really tried."""

from __future__ import annotations

from pathlib import Path

import pytest

from erasebench.api.judge_settings import JudgeSettings
from erasebench.cli import doctor
from erasebench.files.weights import weights_folder
from erasebench.testing.standins.gcd import write_resources
from erasebench.worlds.stable_diffusion.world import StableDiffusionWorld


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ERASEBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ERASEBENCH_DATA", str(tmp_path / "data"))


def test_every_judge_and_import_is_listed_and_what_is_missing_has_its_command(tiny_model_folder: Path) -> None:
    found = {finding.subject: finding for finding in doctor.examine("stable-diffusion-v1-4", str(tiny_model_folder))}
    for judge in StableDiffusionWorld.judges:
        finding = found[f"stable-diffusion-v1-4: judge {judge}"]
        assert (finding.hint is None) == (judge == "nudenet"), finding
    assert found["stable-diffusion-v1-4: judge nudenet"].what.startswith("ready, identity ")
    assert str(weights_folder()) in found["weights"].what
    assert "erasebench prompts import coco" in (found["prompts coco"].hint or "")


def test_names_that_the_celebrity_detector_does_not_know_are_told(tmp_path: Path, tiny_model_folder: Path) -> None:
    world = StableDiffusionWorld(str(tiny_model_folder))
    world.judge_settings = JudgeSettings(gcd_resources=write_resources(tmp_path / "gcd"))
    said = doctor._tried(world, "face-id")
    assert said.startswith("ready, identity ")
    assert "of the 200 listed people" in said and "Adriana Lima" in said and "Adam Driver" not in said


def test_weights_that_do_not_load_are_found_out(tmp_path: Path, tiny_model_folder: Path) -> None:
    resources = write_resources(tmp_path / "gcd")
    (resources / "face_recognition" / "best_model_states.pkl").write_bytes(b"torn")
    target = weights_folder() / "gcd"
    target.parent.mkdir(parents=True)
    resources.rename(target)
    found = {finding.subject: finding for finding in doctor.examine("stable-diffusion-v1-4", str(tiny_model_folder))}
    assert "best_model_states.pkl was not opened" in found["stable-diffusion-v1-4: judge face-id"].what
