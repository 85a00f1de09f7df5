"""The store trusts nothing that it did not record, keeps what was made, and says what happened."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from erasebench.cost import Cost
from erasebench.errors import UserError
from erasebench.store import run_folder as store_module
from erasebench.store.images import ImageStore, full_disk_named
from erasebench.store.judgements import JudgementStore
from erasebench.store.run_folder import BusyError, RunFolder

PIXELS = np.arange(4 * 4 * 3, dtype=np.uint8).reshape(4, 4, 3)
COST = Cost(0.5, 100)


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    store = ImageStore(tmp_path / "images")
    store.put("aa", PIXELS, COST)
    store.put("bb", PIXELS[::-1], COST)
    return store


def reopened(store: ImageStore) -> ImageStore:
    return ImageStore(store.folder)


def test_an_image_comes_back_pixel_for_pixel(store: ImageStore) -> None:
    loaded = reopened(store).load("aa")
    assert isinstance(loaded, Image.Image)
    assert np.array_equal(np.asarray(loaded), PIXELS)
    assert reopened(store).entries["aa"][2:] == COST


def test_numbers_that_are_no_image_are_recorded_and_not_made_again(store: ImageStore) -> None:
    store.put("cc", None, COST)
    again = reopened(store)
    assert again.missing(["aa", "cc", "dd"]) == ["dd"]
    assert np.isnan(np.asarray(again.load("cc"))).all()


def test_a_torn_line_of_the_ledger_costs_one_image(store: ImageStore) -> None:
    text = store.ledger.read_text()
    store.ledger.write_text(text[: text.rindex("sha256") + 12])
    again = reopened(store)
    assert again.missing(["aa", "bb"]) == ["bb"]
    again.put("bb", PIXELS[::-1], COST)
    assert reopened(store).missing(["aa", "bb"]) == []


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty"])
def test_a_changed_file_is_found_set_aside_and_forgotten(store: ImageStore, damage: str) -> None:
    path = store.path("aa")
    content = path.read_bytes()
    path.write_bytes({"truncated": content[:-9], "flipped": b"\0" + content[1:], "empty": b""}[damage])
    again = reopened(store)
    assert again.corrupted(["aa", "bb"]) == ["aa"]
    with pytest.raises(UserError, match=r"aa\.png is missing or was changed after it was written"):
        again.load("aa")
    aside = again.set_aside("aa")
    assert aside.exists()
    assert not path.exists()
    assert again.missing(["aa", "bb"]) == ["aa"]


def test_what_was_whole_is_read_again_only_where_it_was_touched(
    store: ImageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = reopened(store)
    later = max(store.path(image).stat().st_mtime for image in ("aa", "bb")) + 1
    read: list[str] = []
    monkeypatch.setattr(again, "_read", lambda image: read.append(image) or b"whole")
    assert again.corrupted(["aa", "bb"], whole_at=later) == [] and read == []
    os.utime(store.path("bb"), (later + 1, later + 1))
    again.corrupted(["aa", "bb"], whole_at=later)
    store.path("aa").write_bytes(b"short")
    os.utime(store.path("aa"), (later - 1, later - 1))
    again.corrupted(["aa", "bb"], whole_at=later)
    assert read == ["bb", "aa", "bb"]


def test_a_deleted_file_is_missing_not_corrupted(store: ImageStore) -> None:
    store.path("aa").unlink()
    assert reopened(store).missing(["aa", "bb"]) == ["aa"]
    assert reopened(store).corrupted(["aa", "bb"]) == []


def test_judgements_come_back_by_key_in_the_order_asked(tmp_path: Path) -> None:
    store = JudgementStore(tmp_path)
    assert store.read() is None
    store.add(["k1", "k2"], pd.DataFrame({"outcome": ["scored", "no-face"], "predicted": ["Ann", None]}), Cost(1.0, 10))
    store.add(["k3"], pd.DataFrame({"outcome": ["scored"], "predicted": ["Bob"]}), Cost(2.0, 30))
    rows, cost = JudgementStore(tmp_path).of(["k3", "k1"], [7, 4])
    assert rows.to_dict("list") == {"outcome": ["scored", "scored"], "predicted": ["Bob", "Ann"]}
    assert list(rows.index) == [7, 4]
    assert cost == Cost(2.5, 30)


def test_features_survive_as_vectors(tmp_path: Path) -> None:
    store = JudgementStore(tmp_path)
    vectors = [np.ones(3, dtype=np.float32), np.zeros(3, dtype=np.float32)]
    store.add(["k1", "k2"], pd.DataFrame({"features": pd.Series(vectors, dtype="object")}), Cost())
    rows, _ = store.of(["k1", "k2"], [0, 1])
    assert np.array_equal(np.stack(list(rows["features"])), np.stack(vectors))


def test_a_damaged_judgement_file_is_named_set_aside_and_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = JudgementStore(tmp_path)
    for key, seen in (("k1", "scored"), ("k2", "no-face")):
        store.add([key], pd.DataFrame({"outcome": [seen]}), Cost())
    victim = sorted(tmp_path.glob("*.parquet"))[0]
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(content)
    rows = JudgementStore(tmp_path).read()
    assert rows is not None and len(rows) == 1
    assert caplog.messages == [
        f"{victim} was changed after it was written: it is set aside as {victim.name}.damaged and made again."
    ]
    assert victim.with_name(f"{victim.name}.damaged").read_bytes() == content and not victim.exists()


def test_a_full_disk_is_named_and_what_was_done_stays(store: ImageStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(UserError, match=str(store.folder)):
            store.put("cc", PIXELS, COST)
    assert reopened(store).missing(["aa", "bb", "cc"]) == ["cc"]
    with pytest.raises(PermissionError), full_disk_named(store.folder):
        raise PermissionError("another matter")


HOLD = """
import sys, time
from pathlib import Path
from erasebench.store.run_folder import RunFolder
with RunFolder(Path(sys.argv[1]), "w", "s", 1, "m", "12345678").locked():
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_run_is_told_of_the_first_and_a_dead_ones_lock_is_taken(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, "w", "s", 1, "m", "12345678")
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(BusyError, match=f"process {holder.pid}"), folder.locked():
            pass
        holder.kill()
        holder.wait()
    with folder.locked():
        assert (folder.path / "lock").read_text() == str(os.getpid())


def test_names_are_readable(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, "miniature", "celebrity", 5, "mace", "3f9a01c2deadbeef")
    assert folder.path == tmp_path / "miniature" / "celebrity-5" / "mace-3f9a01c2"
    assert folder.images("e3b0c44298fc").folder == tmp_path / "miniature" / "images" / "mace-e3b0c442"


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_worked_on_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    fcntl = pytest.importorskip("fcntl")

    def refusing(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refusing)
    store_module._warn_of_no_locks.cache_clear()
    folder = RunFolder(tmp_path, "w", "s", 1, "m", "12345678")
    for _ in range(2):
        with folder.locked():
            assert (folder.path / "lock").read_text() == str(os.getpid())
    (warning,) = caplog.messages
    assert f"has no file locks ({os.strerror(code)})" in warning and "Another run" not in warning


def test_the_package_works_without_fcntl_and_resource(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "sys.modules.update(fcntl=None, resource=None)\n"
        "from pathlib import Path\n"
        "from erasebench.cost import measured\n"
        "from erasebench.store.run_folder import RunFolder\n"
        "with measured('cpu') as meter, RunFolder(Path(sys.argv[1]), 'w', 's', 1, 'm', '12345678').locked():\n"
        "    assert meter.read().seconds >= 0\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
