from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.lib import format as npy

from erasebench.errors import UserError
from erasebench.judges.gcd.restricted_pickle import read_layers, read_state

LAYERS = {"conv1": {"weights": np.arange(24, dtype=np.float32).reshape(2, 3, 4), "biases": np.ones(4, np.float32)}}


def write_object_array(path: Path, content: Any, protocol: int = 2) -> None:
    """What numpy's save leaves of a dict, with pickle's old protocol as in files of that time."""
    array = np.array(content, dtype=object)
    with path.open("wb") as handle:
        npy.write_array_header_1_0(handle, {"descr": "|O", "fortran_order": False, "shape": ()})
        pickle.dump(array, handle, protocol=protocol)


@pytest.mark.parametrize("protocol", [2, 4])
def test_layers_come_back_as_they_were_written(tmp_path: Path, protocol: int) -> None:
    write_object_array(tmp_path / "net.npy", LAYERS, protocol)
    layers = read_layers(tmp_path / "net.npy")
    assert layers.keys() == LAYERS.keys()
    np.testing.assert_array_equal(layers["conv1"]["weights"], LAYERS["conv1"]["weights"])
    np.save(tmp_path / "saved.npy", np.array(LAYERS, dtype=object))
    np.testing.assert_array_equal(read_layers(tmp_path / "saved.npy")["conv1"]["biases"], np.ones(4))


class Evil:
    """Makes a file when it is unpickled without care."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.target),)


def test_nothing_in_a_file_of_layers_is_ever_run(tmp_path: Path) -> None:
    write_object_array(tmp_path / "net.npy", {"conv1": {"weights": Evil(tmp_path / "made")}})
    with pytest.raises(UserError, match=r"net\.npy was not opened: .*mkdir is not allowed"):
        read_layers(tmp_path / "net.npy")
    assert not (tmp_path / "made").exists()


def _plain(path: Path) -> None:
    np.save(path, np.zeros(3))


def _numbers(path: Path) -> None:
    write_object_array(path, {"conv1": {"weights": 3.0}})


def _cut(path: Path) -> None:
    write_object_array(path, LAYERS)
    path.write_bytes(path.read_bytes()[:150])


def _text(path: Path) -> None:
    path.write_text("no array")


def _nothing(path: Path) -> None:
    path.unlink(missing_ok=True)


@pytest.mark.parametrize("spoil", [_plain, _numbers, _cut, _text, _nothing])
def test_files_that_hold_no_layers_are_named(tmp_path: Path, spoil: Any) -> None:
    spoil(tmp_path / "net.npy")
    with pytest.raises(UserError, match=r"net\.npy was not opened"):
        read_layers(tmp_path / "net.npy")


@pytest.mark.parametrize("legacy", [True, False])
def test_a_checkpoint_of_either_format_gives_its_tensors(tmp_path: Path, legacy: bool) -> None:
    content = {"epoch": 7, "best": np.float64(0.98), "model_state": OrderedDict(w=torch.arange(6.0).reshape(2, 3))}
    torch.save(content, tmp_path / "best.pkl", _use_new_zipfile_serialization=not legacy)
    state = read_state(tmp_path / "best.pkl", "model_state")
    assert torch.equal(state["w"], torch.arange(6.0).reshape(2, 3))
    with pytest.raises(UserError, match="no tensors under 'other'"):
        read_state(tmp_path / "best.pkl", "other")


@pytest.mark.parametrize("legacy", [True, False])
def test_nothing_in_a_checkpoint_is_ever_run(tmp_path: Path, legacy: bool) -> None:
    content = {"model_state": {"w": torch.zeros(1)}, "more": Evil(tmp_path / "made")}
    torch.save(content, tmp_path / "best.pkl", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(UserError, match=r"best\.pkl was not opened"):
        read_state(tmp_path / "best.pkl", "model_state")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("content", [b"", b"no checkpoint", None])
def test_a_file_that_is_no_checkpoint_is_named(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "best.pkl").write_bytes(content)
    with pytest.raises(UserError, match=r"best\.pkl was not opened"):
        read_state(tmp_path / "best.pkl", "model_state")


@pytest.mark.parametrize("seed", range(40))
def test_a_torn_or_altered_file_is_an_error_with_a_name(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    write_object_array(tmp_path / "whole.npy", LAYERS)
    content = {"model_state": OrderedDict(w=torch.arange(60.0))}
    torch.save(content, tmp_path / "whole.pkl", _use_new_zipfile_serialization=bool(seed % 2))
    for name, read in (("whole.npy", read_layers), ("whole.pkl", lambda path: read_state(path, "model_state"))):
        data = (tmp_path / name).read_bytes()
        torn = tmp_path / f"torn-{name}"
        for spoilt in (data[: int(rng.integers(0, len(data) - 80))], rng.bytes(int(rng.integers(1, 400)))):
            torn.write_bytes(spoilt)
            with pytest.raises(UserError, match=f"torn-{name} was not opened"):
                read(torn)
