"""Weights that are missing: which file, where from, under which licence, and the command."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from cleanfid.downloads_helper import inception_url

from erasebench.errors import UserError
from erasebench.files.weights import hub_file, weights_folder
from erasebench.identity import file_digest
from erasebench.judges import sources


@pytest.fixture(autouse=True)
def nothing_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ERASEBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.mark.parametrize(
    ("find", "file", "licence", "command"),
    [
        (sources.clip_weights, sources.CLIP_FILE, "MIT", f"hf download {sources.CLIP_HUB_ID} {sources.CLIP_FILE}"),
        (sources.inception_weights, sources.INCEPTION_FILE, "Apache-2.0", f"curl -L -o .*{sources.INCEPTION_URL}"),
        (sources.gcd_resources, "face_detection/det1.npy", "MPL-2.0", f"curl -L {sources.GCD_URL} | tar xz"),
    ],
)
def test_what_is_missing_is_told(find: Callable[[Path | None], object], file: str, licence: str, command: str) -> None:
    with pytest.raises(UserError) as error:
        find(None)
    assert file in error.value.what and licence in error.value.what
    start, _, end = command.partition(".*")
    assert start in error.value.hint and end in error.value.hint
    assert str(weights_folder()) in error.value.hint


@pytest.mark.parametrize(
    ("find", "origin", "licence", "command"),
    [
        (sources.clip_weights, f"{sources.CLIP_FILE} of {sources.CLIP_HUB_ID}", "MIT", "hf download .* --local-dir {}"),
        (sources.inception_weights, sources.INCEPTION_URL, "Apache-2.0", "curl -L -o {}/own.bin"),
        (sources.nudenet_weights, "NudeNet", "AGPL-3.0", f"curl -L -o {{}}/own.bin {sources.NUDENET_URL}"),
    ],
)
def test_a_file_that_was_named_and_is_not_there_is_told(
    find: Callable[..., object], origin: str, licence: str, command: str, tmp_path: Path
) -> None:
    own = tmp_path / "own.bin"
    with pytest.raises(UserError) as error:
        find(own)
    assert error.value.what.endswith(f"is missing: there is no file {own}.")
    assert origin in error.value.what and licence in error.value.what
    assert re.search(command.format(tmp_path), error.value.hint)
    own.touch()
    if find is sources.nudenet_weights:
        assert find(own) == own
        return
    with pytest.raises(UserError, match="is not the published file"):
        find(own)
    assert find(own, True) == own


def test_a_download_that_takes_another_name_is_told() -> None:
    with pytest.raises(UserError, match=f"--local-dir a, then give a/{sources.CLIP_FILE}"):
        sources.clip_weights(Path("a/ViT-B-32.pt"))
    with pytest.raises(UserError) as error:
        sources.clip_weights(Path("a") / sources.CLIP_FILE)
    assert error.value.hint.endswith("--local-dir a")


def test_files_in_the_weights_folder_are_found() -> None:
    for file in (sources.CLIP_FILE, sources.INCEPTION_FILE, *(Path("gcd") / f for f in sources.GCD_DETECTORS)):
        path = weights_folder() / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert sources.clip_weights(None) == weights_folder() / sources.CLIP_FILE
    with pytest.raises(UserError, match="is not the published file") as error:
        sources.inception_weights(None)
    assert "--judge-set trust_torchscript=true" in error.value.hint and "can write files" in error.value.hint
    assert sources.inception_weights(None, trusted=True) == weights_folder() / sources.INCEPTION_FILE
    with pytest.raises(UserError, match=r"labels\.csv is missing"):
        sources.gcd_resources(None)


def test_the_published_archive_is_told_by_its_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "ViT-B-32.pt"
    archive.write_bytes(b"as published")
    monkeypatch.setattr(sources, "CLIP_ARCHIVE_SHA256", file_digest(archive))
    assert sources.clip_weights(archive) == archive
    archive.write_bytes(b"as publisheD")
    with pytest.raises(UserError, match="is not the published file"):
        sources.clip_weights(archive)
    (tmp_path / "own.safetensors").touch()
    assert sources.clip_weights(tmp_path / "own.safetensors") == tmp_path / "own.safetensors"


def test_inception_is_not_read_from_safetensors_and_the_message_says_so(tmp_path: Path) -> None:
    (tmp_path / "own.safetensors").touch()
    with pytest.raises(UserError, match=r"is not read from \.safetensors") as error:
        sources.inception_weights(tmp_path / "own.safetensors", trusted=True)
    assert sources.INCEPTION_FILE in error.value.hint


def test_openais_digest_is_the_one_in_its_address() -> None:
    from open_clip.pretrained import get_pretrained_url

    assert f"/{sources.CLIP_ARCHIVE_SHA256}/ViT-B-32.pt" in get_pretrained_url("ViT-B-32", "openai")


def test_download_is_a_wish_not_a_path() -> None:
    assert sources.clip_weights(Path("download")) is None
    assert sources.inception_weights(Path("download")) is None


def test_the_hubs_cache_is_looked_into(tmp_path: Path) -> None:
    assert hub_file("nobody/nothing", "file.bin") is None
    snapshot = tmp_path / "hub" / "models--nobody--nothing" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "file.bin").touch()
    (tmp_path / "hub" / "models--nobody--nothing" / "refs").mkdir()
    (tmp_path / "hub" / "models--nobody--nothing" / "refs" / "main").write_text("abc")
    assert hub_file("nobody/nothing", "file.bin") == snapshot / "file.bin"


def test_nudenets_own_network_is_the_packages() -> None:
    assert sources.nudenet_weights(None).name == "320n.onnx"


def test_the_inception_address_is_clean_fids() -> None:
    assert inception_url == sources.INCEPTION_URL
