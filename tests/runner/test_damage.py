"""Every stored file that a run reads back: a turned bit in it, or its loss of a part, is named and made good."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import erasebench
from erasebench.files.sealed import DAMAGED
from erasebench.results.record import Record
from tests.runner.toy import of, pixels, timeless

MACE = {"mace.steps": 2, "mace.data_steps": 2, "mace.n_images": 2}
STORED = {
    "whose the folder is": "toy-2/mace-*/run.json",
    "the erasure": "toy-2/mace-*/erasure/erasure.safetensors",
    "its record": "toy-2/mace-*/erasure/erasure.json",
    "its cost": "toy-2/mace-*/erasure/cost.json",
    "a training image": "toy-2/mace-*/scratch/training-images/*/image-1.png",
    "a mask": "toy-2/mace-*/scratch/training-images/*/mask-1.png",
    "what was found": "toy-2/mace-*/scratch/training-images/*/masks.json",
    "a LoRA": "toy-2/mace-*/scratch/loras-*/*/adapter_model.safetensors",
    "its peft config": "toy-2/mace-*/scratch/loras-*/*/adapter_config.json",
    "its losses": "toy-2/mace-*/scratch/loras-*/*/training.json",
    "judgements": "toy-2/mace-*/judgements/*/*.parquet",
    "the list of images": "images/mace-*/ledger.jsonl",
    "an image": "images/mace-*/*.png",
    "the finished file": "toy-2/finished/mace-*.json",
    "its judged rows": "toy-2/finished/mace-*.parquet",
    "its contact sheet": "toy-2/finished/mace-*.png",
    "its listing": "toy-2/finished/mace-*.csv",
}
"""Each kind of file that the runs' folder holds, below the world's folder."""
IN_THE_WAY = {"scratch": ("toy-2/mace-*/erasure", "toy-2/finished"), "erasure": ("toy-2/finished",)}
"""What is read in place of such a file while it is there: it is removed, as if the run had been cut short before."""


def turned_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tiny_model_folder: Path) -> tuple[dict[str, Any], Record]:
    """The words of a finished run of MACE on the toy world, and its record."""
    tests = Path(__file__).parents[1]
    folder = tmp_path_factory.mktemp("whole")
    words = {
        "method": "mace",
        "settings": MACE,
        "baselines": "none",
        "suite": str(tests / "data" / "toy.yaml"),
        "world": f"{tests / 'toy_world.py'}:ToyWorld",
        "model": str(tiny_model_folder),
        "out": folder / "leaderboard",
        "runs_folder": folder / "runs",
    }
    return words, of(erasebench.run(**words), "mace")


@pytest.mark.parametrize("damage", [turned_bit, cut])
@pytest.mark.parametrize("kind", STORED)
def test_damage_is_named_and_the_run_ends_the_same(
    whole: tuple[dict[str, Any], Record],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    damage: Callable[[Path], None],
) -> None:
    words, expected = whole
    runs = tmp_path / "runs"
    shutil.copytree(words["runs_folder"], runs)
    victim = sorted(path for path in (runs / "toy").glob(STORED[kind]) if path.is_file())[0]
    for part, patterns in IN_THE_WAY.items():
        if part in victim.relative_to(runs).parts:
            for folder in [found for pattern in patterns for found in (runs / "toy").glob(pattern)]:
                shutil.rmtree(folder)
    if victim.parts[-2] not in ("finished",) and (runs / "toy/toy-2/finished").exists() and victim.suffix != ".png":
        shutil.rmtree(runs / "toy/toy-2/finished")
    damage(victim)
    again = erasebench.run(**words | {"runs_folder": runs, "out": tmp_path / "leaderboard"})
    assert again.failures == {}
    assert timeless(of(again, "mace")) == timeless(expected)
    assert pixels(runs) == pixels(words["runs_folder"])
    named = [message for message in caplog.messages if str(victim) in message]
    if (kind, damage) == ("the list of images", cut):
        # What it lists no longer is named image by image, and a torn line only where the cut is inside one.
        named = [message for message in caplog.messages if str(victim.parent) in message][:1]
    assert len(named) == 1, caplog.messages
    if victim.suffix != ".jsonl":
        assert list(victim.parent.glob(f"{victim.name}{DAMAGED}*")) or list(victim.parent.glob("set-aside/*"))
    caplog.clear()
    erasebench.run(**words | {"runs_folder": runs, "out": tmp_path / "leaderboard"})
    assert not [message for message in caplog.messages if str(runs) in message], "it is made good once and for all"


def test_all_kinds_of_files_are_looked_at(whole: tuple[dict[str, Any], Record]) -> None:
    world = whole[0]["runs_folder"] / "toy"
    known = {path for pattern in STORED.values() for path in world.glob(pattern)}
    held = {path for path in world.rglob("*") if path.is_file() and path.suffix != ".sha256"}
    others = {path.name for path in held - known}
    locks = {"lock", "lock.held"}
    assert {name for name in others if name not in locks and not name.startswith(("image-", "mask-"))} == set()


@pytest.mark.parametrize("damage", [turned_bit, cut])
def test_a_damaged_sampling_ratio_is_named_and_measured_again(
    toy_words: dict[str, Any], caplog: pytest.LogCaptureFixture, damage: Callable[[Path], None]
) -> None:
    """Of a method that changes how images are sampled: of an edit of weights nothing is measured."""
    words = {**toy_words, "method": "np", "baselines": "none"}
    expected = of(erasebench.run(**words), "np")
    world = words["runs_folder"] / "toy"
    (file,) = world.glob("toy-2/np-*/sampling-ratio.json")
    shutil.rmtree(world / "toy-2" / "finished")
    damage(file)
    again = erasebench.run(**words)
    assert again.failures == {}
    assert timeless(of(again, "np")) == timeless(expected)
    assert len([message for message in caplog.messages if str(file) in message]) == 1
    assert list(file.parent.glob(f"{file.name}{DAMAGED}*")) and file.is_file()
