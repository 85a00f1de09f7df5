"""A file that is read back has its digest beside it: damage is found, named and set aside, never used."""

from __future__ import annotations

from pathlib import Path

import pytest

from erasebench.files import sealed
from erasebench.files.sealed import DAMAGED, SEAL, read_sealed_json, seal, sealed_write, whole, write_sealed_json


def test_what_was_written_is_whole_and_says_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_sealed_json(tmp_path / "a.json", {"seconds": 1.5})
    assert whole(tmp_path / "a.json") and read_sealed_json(tmp_path / "a.json") == {"seconds": 1.5}
    assert read_sealed_json(tmp_path / "absent.json") is None
    assert not caplog.messages
    assert {path.name for path in tmp_path.iterdir()} == {"a.json", f"a.json{SEAL}"}


@pytest.mark.parametrize("bit", range(8))
def test_a_turned_bit_is_named_and_the_file_is_kept_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, bit: int
) -> None:
    path = tmp_path / "a.json"
    write_sealed_json(path, [1.0, 2])
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1 << bit
    path.write_bytes(content)
    assert read_sealed_json(path) is None
    assert caplog.messages == [
        f"{path} was changed after it was written: it is set aside as a.json{DAMAGED} and made again."
    ]
    assert (tmp_path / f"a.json{DAMAGED}").read_bytes() == content
    write_sealed_json(path, [1.0, 2])
    assert read_sealed_json(path) == [1.0, 2]


def test_a_second_damage_keeps_the_first(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for content in (b"first", b"second"):
        write_sealed_json(path, 1)
        path.write_bytes(content)
        assert not whole(path)
    assert (tmp_path / f"a.json{DAMAGED}").read_bytes() == b"first"
    assert (tmp_path / f"a.json{DAMAGED}-2").read_bytes() == b"second"


def test_a_file_without_a_digest_is_made_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "old.png").write_bytes(b"from an earlier erasebench")
    assert not whole(tmp_path / "old.png")
    assert "has no digest file old.png.sha256" in caplog.text
    seal(tmp_path / f"old.png{DAMAGED}")
    assert whole(tmp_path / f"old.png{DAMAGED}")


def test_a_kill_between_digest_and_file_leaves_the_earlier_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "checkpoint.pt"
    with sealed_write(path) as temporary:
        temporary.write_bytes(b"step 100")
    write = sealed._write_seal

    def killed(*arguments: object) -> None:
        write(*arguments)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(sealed, "_write_seal", killed)
    with pytest.raises(KeyboardInterrupt), sealed_write(path) as temporary:
        temporary.write_bytes(b"step 200")
    assert path.read_bytes() == b"step 100" and whole(path)
