"""What is no file of tensors is called what it is, with the way out, before any work and without torch's own advice."""

from __future__ import annotations

import pickle
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from erasebench.errors import UserError
from erasebench.methods.checkpoint import CheckpointConfig
from tests.methods.checkpoint_files import VALUE
from tests.tiny_model import tiny_pipeline

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/notes.txt", "x")


def tarred(path: Path) -> None:
    (path.parent / "notes.txt").write_text("x")
    with tarfile.open(path, "w") as archive:
        archive.add(path.parent / "notes.txt")


def cut_off(path: Path) -> None:
    save_file({VALUE: torch.zeros(16, 32)}, path)
    path.write_bytes(path.read_bytes()[:-4])


def cut_off_pickle(path: Path) -> None:
    torch.save({VALUE: torch.zeros(1000)}, path)
    path.write_bytes(path.read_bytes()[:2000])


def module(path: Path) -> None:
    torch.save(tiny_pipeline().unet, path)


def old_module(path: Path) -> None:
    torch.save(tiny_pipeline().unet, path, _use_new_zipfile_serialization=False)


def numpy_scalar_of_code(path: Path) -> None:
    path.write_bytes(pickle.dumps({"a": Path("x")}))


@pytest.mark.parametrize(
    ("name", "content", "what", "hint"),
    [
        ("pointer.safetensors", POINTER, "is a Git LFS pointer", "git lfs pull"),
        ("pointer.ckpt", POINTER, "is a Git LFS pointer", "git lfs pull"),
        ("page.pt", "<!DOCTYPE html><html>sign in</html>", "is a web page", "Sign in"),
        ("page.safetensors", "\n <html>", "is a web page", "Sign in"),
        ("error.bin", '{"error": "gated"}', "is a text file (JSON)", "Download the file"),
        ("text.safetensors", "Entry not found", "is a text file", "Download the file"),
        ("empty.pt", "", "is empty", "get the file again"),
        ("archive.ckpt", zipped, "is a zip archive", "Unpack it"),
        ("archive.pt", tarred, "is a tar archive", "Unpack it"),
        ("gzip.pt", b"\x1f\x8b\x08\x00" + bytes(100), "is a gzip archive", "Unpack it"),
        ("noise.pt", bytes(range(256)) * 8, "is not a file of tensors", "Get the file again"),
        ("noise.safetensors", bytes(range(256)) * 8, "is not a .safetensors file", "Get the file again"),
        ("cut.safetensors", cut_off, "bytes that its header announces", "cut off"),
        ("cut.pt", cut_off_pickle, "or is damaged", "Get the file again"),
        ("module.pt", module, "is a pickled module (diffusers.", "state_dict()"),
        ("old.pth", old_module, "is a pickled module (diffusers.", "state_dict()"),
        ("object.bin", numpy_scalar_of_code, "pickles an object (pathlib.", "state_dict()"),
    ],
)
def test_what_a_file_is_instead_is_said(tmp_path: Path, name: str, content: Any, what: str, hint: str) -> None:
    path = tmp_path / name
    if callable(content):
        content(path)
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError) as caught:
        CheckpointConfig(path=path)
    assert str(path) in caught.value.what and what in caught.value.what
    assert hint in caught.value.hint
    assert "weights_only" not in str(caught.value) and "\x1b" not in str(caught.value)


def test_a_pickle_under_the_other_name_is_named(tmp_path: Path) -> None:
    torch.save({VALUE: torch.zeros(16, 32)}, tmp_path / "pickle.safetensors")
    with pytest.raises(UserError, match=r"is named \.safetensors, but it is a pickle") as caught:
        CheckpointConfig(path=tmp_path / "pickle.safetensors")
    assert "Rename it to .pt" in caught.value.hint


@pytest.mark.parametrize("old", [True, False])
@pytest.mark.parametrize("protocol", [2, 4])
def test_every_format_that_torch_writes_is_let_through(tmp_path: Path, old: bool, protocol: int) -> None:
    content = {VALUE: torch.nn.Parameter(torch.zeros(16, 32)), "size": torch.Size([1]), "dtype": torch.float16}
    path = tmp_path / "plain.pt"
    torch.save(content, path, pickle_protocol=protocol, _use_new_zipfile_serialization=not old)
    assert CheckpointConfig(path=path).digest


def test_a_folder_with_one_file_and_no_config_is_pointed_at_it(tmp_path: Path) -> None:
    save_file({VALUE: torch.zeros(16, 32)}, tmp_path / "esd.safetensors")
    with pytest.raises(UserError, match="no model of a known format") as caught:
        CheckpointConfig(path=tmp_path)
    assert str(tmp_path / "esd.safetensors") in caught.value.hint


def test_a_name_of_the_hub_is_told_from_a_path() -> None:
    with pytest.raises(UserError, match="There is nothing at") as caught:
        CheckpointConfig(path="somebody/erased-model")
    assert "hf download somebody/erased-model" in caught.value.hint


@pytest.mark.parametrize("places", ['["x", "y"]', '{"a": 1, "b": 2}', "[0, 4.5]"])
def test_a_place_that_is_no_pair_of_numbers_is_damage(tmp_path: Path, places: str) -> None:
    header = f'{{"w": {{"dtype": "F32", "shape": [1], "data_offsets": {places}}}}}'.encode()
    file = tmp_path / "x.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(UserError, match="is damaged"):
        CheckpointConfig(path=file)


def test_a_torch_file_with_a_damaged_stream_is_named(tmp_path: Path) -> None:
    file = tmp_path / "x.pt"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data.pkl", pickle.dumps(list(range(1000))))
    content = bytearray(file.read_bytes())
    content[45:60] = b"\xff" * 15
    file.write_bytes(content)
    with pytest.raises(UserError, match="damaged"):
        CheckpointConfig(path=file)


@pytest.mark.parametrize("value", [2024, True])
def test_a_path_that_reads_as_another_value_is_a_path(value: Any) -> None:
    with pytest.raises(UserError, match=str(value)):
        CheckpointConfig(path=value)
