"""The digests of weight files, remembered: what is remembered wrongly is no more than not remembered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from erasebench.files.weights import cache_folder, file_digests
from erasebench.identity import file_digest

DAMAGED = [b"\xff\xfe\x00", b'{"a": ', b"[1, 2]", b'"text"', b"[" * 100_000, b""]


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ERASEBENCH_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"weights")
    return path


def test_a_digest_is_read_once(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = file_digests([weights])
    monkeypatch.setattr("erasebench.files.weights.file_digest", lambda path: pytest.fail("it was read again"))
    assert file_digests([weights]) == first == {weights: file_digest(weights)}


@pytest.mark.parametrize("content", DAMAGED, ids=["not-utf-8", "cut", "a-list", "a-text", "too-deep", "empty"])
def test_a_damaged_cache_counts_as_none(weights: Path, content: bytes) -> None:
    store = cache_folder() / "digests.json"
    store.parent.mkdir()
    store.write_bytes(content)
    assert file_digests([weights]) == {weights: file_digest(weights)}
    assert list(json.loads(store.read_text()).values()) == [file_digest(weights)]


@pytest.mark.parametrize("value", [None, 7, "", "no digest"])
def test_a_damaged_entry_is_made_anew(weights: Path, value: object) -> None:
    file_digests([weights])
    store = cache_folder() / "digests.json"
    store.write_text(json.dumps(dict.fromkeys(json.loads(store.read_text()), value)))
    assert file_digests([weights]) == {weights: file_digest(weights)}
