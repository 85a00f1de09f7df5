"""What tells two records apart: what decided their metrics, wherever it was decided, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
import torch

import erasebench
from erasebench.api.method import load_method
from erasebench.errors import UserError
from erasebench.results.record import Record
from erasebench.runner.session import Session
from tests.toy_world import Shift, ToyWorld

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

    from erasebench.api.concepts import ErasureTask
    from erasebench.api.erasure import Erasure
    from erasebench.api.judge import Judge
    from erasebench.api.method import Workspace

HERE = Path(__file__).parent


class Asking(Shift):
    """Asks this machine's oracle, an environment variable, how much it is to change."""

    name: ClassVar[str] = "asking"
    external = True

    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        if "ORACLE" not in os.environ:
            raise UserError("The oracle is away.", "Ask later.")
        config = self.config.model_copy(update={"amount": float(os.environ["ORACLE"])})
        return Shift(config).erase(pipeline, task, workspace)


class Away(ToyWorld):
    """Its judge is missing, and says where it was looked for."""

    def judge(self, name: str, device: torch.device | str = "cpu") -> Judge:
        raise UserError(f"There is no file {self.folder}/judge.onnx.", "Put it there.")


@pytest.fixture
def words(tiny_model_folder: Path) -> dict[str, Any]:
    """The words of a run that every test starts from."""
    return {
        "method": f"{__file__}:Asking",
        "suite": str(HERE / "data" / "toy.yaml"),
        "world": f"{HERE / 'toy_world.py'}:ToyWorld",
        "model": str(tiny_model_folder),
        "baselines": "none",
        "limit": 1,
    }


def run_in(folder: Path, words: dict[str, Any]) -> Record:
    (record,) = erasebench.run(**words, out=folder / "leaderboard", runs_folder=folder / "runs").records
    return record


def test_what_was_answered_elsewhere_tells_records_apart(
    words: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {}
    for machine, answer in (("one", "2"), ("two", "3"), ("three", "2")):
        monkeypatch.setenv("ORACLE", answer)
        found[machine] = run_in(tmp_path / machine, words)
    assert found["one"].identity == found["three"].identity != found["two"].identity
    assert found["one"].manifest.digests["erasure"] != found["two"].manifest.digests["erasure"]
    assert found["one"].id != found["two"].id


def test_a_failure_before_any_answer_goes_when_the_job_is_done(
    words: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {"out": tmp_path / "leaderboard", "runs_folder": tmp_path / "runs"}
    monkeypatch.delenv("ORACLE", raising=False)
    assert "The oracle is away." in erasebench.run(**words, **places).failures["asking on toy-2"]
    (failed,) = (tmp_path / "leaderboard" / "results").iterdir()
    assert Record.read(failed).status == "failed"
    monkeypatch.setenv("ORACLE", "2")
    record = run_in(tmp_path, words)
    assert [path.stem for path in (tmp_path / "leaderboard" / "results").iterdir()] == [record.id] != [failed.stem]


def test_mace_asks_outside_only_where_a_language_model_writes_its_prompts() -> None:
    mace = load_method("mace")
    asked = {"prompt_endpoint": "http://localhost:1/v1", "prompt_model": "any"}
    assert [mace(mace.Config(**settings)).external for settings in ({}, asked)] == [False, True]


def test_where_a_missing_judge_was_looked_for_decides_nothing(tiny_model_folder: Path, tmp_path: Path) -> None:
    away = [Session(Away(folder), "cpu").judge_digest("face-id") for folder in (tmp_path, tmp_path / "other")]
    there = Session(ToyWorld(tiny_model_folder), "cpu").judge_digest("face-id")
    assert away[0] == away[1] != there


def test_threads_are_recorded_and_make_no_other_job(
    words: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words["method"] = f"{HERE / 'toy_world.py'}:Shift"
    one = run_in(tmp_path / "one", words)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    two = run_in(tmp_path / "two", words)
    assert (one.manifest.threads, two.manifest.threads) != (64, 64)
    assert two.manifest.threads == 64
    assert one.manifest.cpu == torch.backends.cpu.get_cpu_capability()
    assert one.identity == two.identity
