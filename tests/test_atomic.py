from __future__ import annotations

import ast
import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from erasebench.errors import UserError
from erasebench.files.atomic import atomic_folder, atomic_write, check_writable, is_temporary, write_json, write_text


def test_a_finished_block_leaves_the_file_and_nothing_else(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "new" / "a.txt") as temporary:
        temporary.write_text("whole")
        assert temporary.parent == tmp_path / "new"
        assert temporary.suffix == ".txt"
        assert not (tmp_path / "new" / "a.txt").exists()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.txt"]
    assert (tmp_path / "new" / "a.txt").read_text() == "whole"


def test_an_error_inside_the_block_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(KeyError), atomic_write(path) as temporary:
        temporary.write_text("half of the n")
        raise KeyError("stop")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_block_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "a.txt"):
        pass
    assert os.listdir(tmp_path) == []


def test_a_killed_writer_leaves_only_what_readers_recognise(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_text(path, "old")
    script = (
        "import os, sys\n"
        "from erasebench.files.atomic import atomic_write\n"
        "with atomic_write(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half')\n"
        "    os._exit(9)\n"
    )
    assert subprocess.run([sys.executable, "-c", script, str(path)], check=False).returncode == 9
    assert path.read_text() == "old"
    left = [found for found in tmp_path.iterdir() if found != path]
    assert len(left) == 1
    assert is_temporary(left[0])
    assert not is_temporary(path)


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("I/O error: No space left on device")]
)
def test_a_full_disk_is_named_and_nothing_is_lost(tmp_path: Path, error: Exception) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(UserError, match=r"disk is full: .*a\.txt"), atomic_write(path):
        raise error
    assert path.read_text() == "old"


def test_a_forbidden_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no permission to write .*a\.txt"), atomic_write(tmp_path / "a.txt"):
        raise PermissionError(errno.EACCES, "Permission denied")


def test_a_file_where_a_folder_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for place in (tmp_path / "file" / "a.txt", tmp_path / "file" / "deeper" / "a.txt"):
        with pytest.raises(UserError, match=r"a\.txt cannot be written: .*\nGive another path"):
            write_text(place, "x")
    (tmp_path / "folder" / "full").mkdir(parents=True)
    with pytest.raises(UserError, match="folder cannot be written"):
        write_text(tmp_path / "folder", "x")
    with pytest.raises(UserError, match="cannot be written"), atomic_folder(tmp_path / "file" / "x" / "y"):
        pass
    with pytest.raises(UserError, match="cannot be written: .*File name too long"):
        write_text(tmp_path / ("n" * 300), "x")


def test_a_place_is_tried_before_any_work_and_nothing_is_left_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "deeper"):
        with pytest.raises(UserError, match="cannot be written to: "):
            check_writable(folder)
    check_writable(tmp_path / "a" / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["file"] and (tmp_path / "file").read_text() == "mine"


def test_a_missing_file_of_somebody_elses_stays_what_it_was(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="elsewhere"), atomic_write(tmp_path / "a.txt"):
        (tmp_path / "elsewhere").read_text()


def test_a_killed_writer_of_a_folder_leaves_the_old_one_and_the_next_replaces_it_whole(tmp_path: Path) -> None:
    path = tmp_path / "model"
    with atomic_folder(path) as temporary:
        write_text(temporary / "part" / "a.txt", "old")
        write_text(temporary / "gone.txt", "old")
        assert not path.exists()
    script = (
        "import os, sys\n"
        "from erasebench.files.atomic import atomic_folder\n"
        "with atomic_folder(sys.argv[1]) as temporary:\n"
        "    (temporary / 'a.txt').write_text('half')\n"
        "    os._exit(9)\n"
    )
    assert subprocess.run([sys.executable, "-c", script, str(path)], check=False).returncode == 9
    assert sorted(str(found.relative_to(path)) for found in path.rglob("*.txt")) == ["gone.txt", "part/a.txt"]
    (left,) = (found for found in tmp_path.iterdir() if found != path)
    assert is_temporary(left)
    (tmp_path / "link").symlink_to(path)
    with atomic_folder(tmp_path / "link") as temporary:
        write_text(temporary / "a.txt", "new")
    assert [str(found.relative_to(path)) for found in path.rglob("*")] == ["a.txt"]
    assert (tmp_path / "link").is_symlink()
    assert set(tmp_path.iterdir()) == {path, left, tmp_path / "link"}


def test_a_folder_that_cannot_take_its_name_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model"
    with atomic_folder(path) as temporary:
        write_text(temporary / "a.txt", "old")
    rename = os.replace

    def once_refused(source: Path, target: Path) -> None:
        if (source / "b.txt").exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        rename(source, target)

    with pytest.raises(UserError, match="disk is full"), atomic_folder(path) as temporary:
        (temporary / "b.txt").write_text("new")
        monkeypatch.setattr(os, "replace", once_refused)
    assert [str(found.relative_to(tmp_path)) for found in sorted(tmp_path.rglob("*"))] == ["model", "model/a.txt"]


def test_json_refuses_what_json_cannot_say(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"name": "Zoë", "values": [1, None]})
    assert (tmp_path / "a.json").read_text(encoding="utf-8").startswith('{\n  "name": "Zoë"')
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", float("nan"))
    assert "Zoë" in (tmp_path / "a.json").read_text(encoding="utf-8")


def test_a_file_that_need_not_be_durable_is_whole_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[int] = []
    monkeypatch.setattr(os, "fsync", flushed.append)
    with atomic_write(tmp_path / "a.txt", durable=False) as temporary:
        temporary.write_text("whole")
        assert not (tmp_path / "a.txt").exists()
    assert (os.listdir(tmp_path), flushed) == (["a.txt"], [])
    write_text(tmp_path / "a.txt", "flushed")
    assert flushed


SOURCES = [
    path
    for folder in ("erasebench", "methods")
    for path in sorted((Path(__file__).parents[1] / folder).rglob("*.py"))
    if path.name != "atomic.py"
]
ELSEWHERE = {"/proc/self/clear_refs"}
"""Written to and no file of ours."""


def _written_directly(tree: ast.Module) -> Iterator[str]:
    """Every call that writes a file, or gives one its name, under a name that no `atomic_write` gave."""
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        text = ast.unparse(call)
        name = call.func.attr if isinstance(call.func, ast.Attribute) else ast.unparse(call.func)
        owner = ast.unparse(call.func.value) if isinstance(call.func, ast.Attribute) else ""
        modes = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        writes = name in ("write_text", "write_bytes") and owner != ""
        opens = name == "open" and any(set(mode) <= set("wxbt+") and set(mode) & set("wx") for mode in modes)
        saves = name in ("save", "savez", "save_file", "to_csv", "to_parquet") and owner != "erasure"
        renames = ast.unparse(call.func) == "os.replace"
        if (writes or opens or saves or renames) and "temporary" not in text and "buffer" not in text:
            yield text


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_nothing_writes_a_file_by_another_way(path: Path) -> None:
    written = list(_written_directly(ast.parse(path.read_text(encoding="utf-8"))))
    assert [text for text in written if not any(place in text for place in ELSEWHERE)] == []
