"""erasebench.run takes Python values where the command line takes words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import erasebench
from erasebench.errors import UserError
from erasebench.methods.checkpoint import CheckpointConfig
from erasebench.methods.mace import MaceConfig
from erasebench.runner.request import Request, choose
from erasebench.runner.run import Summary
from tests.sample_records import record


def asked(monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], method: str = "mace") -> Request:
    """The request that `erasebench.run` makes of these settings."""
    requests: list[Request] = []
    monkeypatch.setattr("erasebench.runner.run_plan.run_jobs", requests.append)
    erasebench.run(method=method, suite="celebrity", settings=settings)
    return requests[0]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("data_steps", None),
        ("steps", 20),
        ("learning_rate", 1e-5),
        ("use_pooler", False),
        ("fusion", "naive-sum"),
        ("templates", ("a hat of {}", "{}: a play")),
    ],
)
def test_a_setting_arrives_as_it_was_given(monkeypatch: pytest.MonkeyPatch, field: str, value: Any) -> None:
    request = asked(monkeypatch, {f"mace.{field}": value, "mace.prompts_per_concept": 2})
    config = choose(request, "mace", recipes="miniature", kind="person", n_concepts=1).config
    assert isinstance(config, MaceConfig)
    assert getattr(config, field) == value


def test_a_path_arrives_as_a_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "changed weights.safetensors"
    save_file({"x": torch.zeros(1)}, file)
    request = asked(monkeypatch, {"checkpoint.path": file}, method="checkpoint")
    config = choose(request, "checkpoint", recipes="miniature", kind="person", n_concepts=1).config
    assert isinstance(config, CheckpointConfig)
    assert config.path == (file,)


def test_how_to_sample_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[Request] = []
    monkeypatch.setattr("erasebench.runner.run_plan.run_jobs", requests.append)
    erasebench.run("mace", "celebrity", steps=7, guidance=3.5, scheduler="dpmsolver++", batch_size=2, repeats=3)
    (request,) = requests
    asked = (request.steps, request.guidance, request.scheduler, request.batch_size, request.repeats)
    assert asked == (7, 3.5, "dpmsolver++", 2, 3)


def test_prompts_are_painted_and_scored(tmp_path: Path) -> None:
    prompts = ["a photo of the ship", 'a "photo" of the car, in red']
    listed = erasebench.sample(prompts, tmp_path / "images", seed=4, steps=2)
    assert list(listed["prompt"]) == prompts
    assert list(listed["seed"]) == [4, 5]
    assert all((tmp_path / "images" / file).is_file() for file in listed["file"])
    report = erasebench.score(tmp_path / "images", "clip-score", world="miniature")
    frame = report.to_frame()
    assert list(frame["metric"]) == ["clip_score"]
    assert list(frame["unit"]) == ["points"]
    assert frame["n_scored"].item() == 2
    assert "clip_score" in report._repr_html_()


def test_prompts_come_back_as_they_were_given(tmp_path: Path) -> None:
    prompts = ["-5 degrees", "'=quoted", "42", "NA"]
    listed = erasebench.sample(prompts, tmp_path, steps=1)
    assert list(listed["prompt"]) == prompts
    assert listed["seed"].sum() == 10


def test_a_share_of_a_launch_that_is_not_the_last_gives_no_older_listing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    erasebench.sample(["a ship"], tmp_path, steps=1)
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match=r"images.csv is not written yet"):
        erasebench.sample(["a car", "a bird"], tmp_path, steps=1)


def test_settings_of_rows_that_are_not_used_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    table = tmp_path / "prompts.csv"
    table.write_text("prompt,seed,guidance\na ship,1,3.5\n")
    erasebench.sample(table, tmp_path / "images", steps=1)
    assert "prompts.csv have their own guidance or size, which are not used" in caplog.text


def test_a_judge_that_there_is_not_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no judge 'clip'"):
        erasebench.score(tmp_path, "clip")


def test_a_board_is_built_from_its_records(tmp_path: Path) -> None:
    record("mace").write(tmp_path / "results")
    assert erasebench.build_board(tmp_path) == tmp_path / "README.md"
    assert "mace" in (tmp_path / "README.md").read_text(encoding="utf-8")


def test_a_summary_shows_itself_in_a_notebook(tmp_path: Path) -> None:
    summary = Summary(records=[record("mace")], shipped=[record("uce", shipped=True)])
    frame = summary.to_frame()
    assert list(dict.fromkeys(frame["method"])) == ["mace", "uce"]
    assert frame.loc[frame["method"] == "uce", "shipped"].all()
    assert "<table" in summary._repr_html_()


LIGHT = """
import sys
import erasebench
erasebench.load_method("mace")
assert erasebench.__version__
heavy = sorted({"torch", "diffusers", "transformers", "pandas"} & set(sys.modules))
assert not heavy, heavy
"""


def test_importing_erasebench_loads_nothing_heavy() -> None:
    subprocess.run([sys.executable, "-c", LIGHT], check=True)


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(erasebench.__file__).parent / "py.typed").is_file()
