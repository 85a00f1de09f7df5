"""How the judges' weights are written and what is said when they cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from erasebench.errors import UserError
from erasebench.worlds.miniature.judges.clip import CONFIG, FOLDER, VOCABULARY, miniature_clip
from erasebench.worlds.miniature.judges.networks import ResidualBlock, labels_digest, load_network, save_network

CPU = torch.device("cpu")
LABELS = ("Ann", "Bob")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_network(ResidualBlock(8, 16), tmp_path / "block.safetensors", LABELS)
    return tmp_path / "block.safetensors"


def test_weights_come_back_in_float32_as_float16_kept_them(path: Path) -> None:
    torch.manual_seed(0)
    before = ResidualBlock(8, 16).state_dict()
    loaded = load_network(ResidualBlock(8, 16), path, LABELS, CPU)
    assert not loaded.training
    for name, value in loaded.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, before[name].half().float())


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:40])


def _remove(path: Path) -> None:
    path.unlink()


def _poison(path: Path) -> None:
    state = load_file(path)
    state["second.weight"][0, 0, 0, 0] = float("nan")
    save_file(state, path, metadata={"labels": labels_digest(LABELS)})


def _reshape(path: Path) -> None:
    save_network(ResidualBlock(8, 24), path, LABELS)


def _rename(path: Path) -> None:
    save_network(ResidualBlock(8, 16), path, LABELS[::-1])


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (_cut, "cannot be read"),
        (_remove, "cannot be read"),
        (_poison, "not finite, first in second.weight"),
        (_reshape, "does not fit"),
        (_rename, "other concept lists"),
    ],
)
def test_weights_that_cannot_be_used_are_named(path: Path, spoil: Callable[[Path], None], what: str) -> None:
    spoil(path)
    with pytest.raises(UserError, match=what) as error:
        load_network(ResidualBlock(8, 16), path, LABELS, CPU)
    assert str(path) in error.value.what
    assert "miniature.lab.train" in error.value.hint


@pytest.mark.parametrize("name", [CONFIG, VOCABULARY])
def test_a_clip_folder_without_one_of_its_files_is_named(tmp_path: Path, judges_folder: Path, name: str) -> None:
    folder = tmp_path / FOLDER
    folder.mkdir()
    for file in (judges_folder / FOLDER).iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / name).write_text("{")
    with pytest.raises(UserError, match="judge CLIP's files"):
        miniature_clip(tmp_path, CPU)
    (folder / name).unlink()
    with pytest.raises(UserError, match=name):
        miniature_clip(tmp_path, CPU)


def test_a_vocabulary_of_other_words_does_not_fit_the_weights(tmp_path: Path, judges_folder: Path) -> None:
    folder = tmp_path / FOLDER
    folder.mkdir()
    for file in (judges_folder / FOLDER).iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    words = (folder / VOCABULARY).read_text(encoding="utf-8").replace('"ship"', '"shop"')
    (folder / VOCABULARY).write_text(words, encoding="utf-8")
    with pytest.raises(UserError, match="trained for other concept lists"):
        miniature_clip(tmp_path, CPU)


def test_all_judges_together_take_less_than_ten_megabytes(judges_folder: Path) -> None:
    files = [*judges_folder.glob("*.safetensors"), *judges_folder.glob("*.onnx"), *(judges_folder / FOLDER).iterdir()]
    assert len(files) == 7
    assert sum(file.stat().st_size for file in files) < 10e6
