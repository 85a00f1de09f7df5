"""`erasebench sample` as one of several processes: what a launcher says, and files that no share changes."""

from __future__ import annotations

import csv
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from erasebench.cli import main
from erasebench.errors import UserError
from erasebench.runner.sample import Share, default_device, own_share, started_alone

SD = ["--world", "stable-diffusion-v1-4"]
# What accelerate 1.15 sets for its one process, asked for one and asked for two where there is no second GPU.
ONE = {"ACCELERATE_MIXED_PRECISION": "no", "ACCELERATE_USE_CPU": "False"}
ONE_OF_TWO = {**ONE, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}


@pytest.mark.parametrize(
    ("environment", "share"),
    [({}, Share(0, 1)), ({"RANK": "1", "WORLD_SIZE": "3"}, Share(1, 3)), (ONE_OF_TWO, Share(0, 1))],
)
def test_the_launcher_says_which_share_is_ones_own(environment: dict[str, str], share: Share) -> None:
    assert own_share(environment) == share


@pytest.mark.parametrize(("rank", "processes"), [("2", "2"), ("-1", "2"), ("x", "2"), ("0", "0"), ("1", "")])
def test_a_share_that_is_none_is_named(rank: str, processes: str) -> None:
    with pytest.raises(UserError, match=f"RANK={rank} and WORLD_SIZE={processes}"):
        own_share({"RANK": rank, "WORLD_SIZE": processes})


def test_one_process_where_several_were_asked_for_is_noticed() -> None:
    assert started_alone(ONE_OF_TWO)
    assert not started_alone(ONE)
    assert not started_alone({**ONE_OF_TWO, "RANK": "1", "WORLD_SIZE": "2"})
    assert not started_alone({"MASTER_PORT": "29500"}), "nothing to do with accelerate"


def test_processes_share_the_gpus_that_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert [default_device({"LOCAL_RANK": str(rank)}) for rank in range(3)] == ["cuda:0", "cuda:1", "cuda:0"]
    assert default_device({}) == "cpu"
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert default_device({"LOCAL_RANK": "1"}) == "cpu"


def files(out: Path) -> dict[tuple[str, str], bytes]:
    with (out / "images.csv").open(newline="", encoding="utf-8") as handle:
        return {(row["row"], row["prompt"]): (out / row["file"]).read_bytes() for row in csv.DictReader(handle)}


def test_a_launch_that_got_one_process_says_so_and_makes_all(
    tmp_path: Path, tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "prompts.csv").write_text("row,prompt,seed\n0,=a ship,1\n1,a car,2\n")
    words = ["sample", *SD, "--model", str(tiny_model_folder), "--prompts", str(tmp_path / "prompts.csv")]
    for name, value in ONE_OF_TWO.items():
        monkeypatch.setenv(name, value)
    with caplog.at_level(logging.WARNING):
        assert main([*words, "--out", str(tmp_path / "out")]) == 0
    assert any("accelerate launch started one process" in message for message in caplog.messages)
    assert sorted(files(tmp_path / "out")) == [("0", "'=a ship"), ("1", "a car")], "text, not a formula"


def test_a_row_number_twice_is_named_before_anything_is_painted(
    tmp_path: Path, tiny_model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "both.csv").write_text("row,prompt,seed\n0,a car,1\n1,a bird,2\n0,a ship,3\n1,a cat,4\n")
    words = ["--model", str(tiny_model_folder), "--prompts", str(tmp_path / "both.csv"), "--out", str(tmp_path / "o")]
    assert main(["sample", *SD, *words]) == 2
    assert "line 4, column 'row', value '0': line 2 has the same row number" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "launcher",
    [
        ["torch.distributed.run", "--nproc_per_node", "2"],
        # Without GPUs accelerate starts several processes only where it takes them for GPUs'.
        ["accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--main_process_port", "0"],
    ],
    ids=["torchrun", "accelerate"],
)
def test_two_processes_write_the_files_of_one(tmp_path: Path, tiny_model_folder: Path, launcher: list[str]) -> None:
    prompts = tmp_path / "prompts.csv"
    prompts.write_text("prompt,seed\n" + "".join(f"a scene {seed},{seed}\n" for seed in range(5)))
    words = ["sample", *SD, "--model", str(tiny_model_folder), "--prompts", str(prompts)]
    assert main([*words, "--out", str(tmp_path / "one")]) == 0
    clean = {name: value for name, value in os.environ.items() if name not in ("RANK", "WORLD_SIZE", "LOCAL_RANK")}
    command = [sys.executable, "-m", *launcher, "-m", "erasebench", *words, "--out", str(tmp_path / "two")]
    subprocess.run(command, check=True, env=clean, timeout=600)
    assert files(tmp_path / "two") == files(tmp_path / "one")
    assert len(files(tmp_path / "one")) == 5
