"""erasebench new-method writes a start that works: its own test passes, and it runs by its path."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from erasebench.api.method import load_method
from erasebench.cli import main
from tests.test_cli import TOY

HERE = Path(__file__).parent


@pytest.mark.slow
def test_the_start_passes_its_own_test_and_runs_by_its_path(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], tiny_model_folder: Path
) -> None:
    assert main(["new-method", "my-eraser", "--out", str(tmp_path / "mine")]) == 0
    method, test = tmp_path / "mine" / "my_eraser.py", tmp_path / "mine" / "test_my_eraser.py"
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"Method: {method}"
    assert f"  uv run erasebench run --method {method}:MyEraser --suite celebrity --limit 10" in lines
    tested = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(test)]
    done = subprocess.run(tested, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "8 passed" in done.stdout
    words = ["--out", str(tmp_path / "board"), "--runs-folder", str(tmp_path / "runs"), "--baselines", "none"]
    run = ["run", "--method", f"{method}:MyEraser", *TOY, "--model", str(tiny_model_folder), "--limit", "1", *words]
    assert main([*run, "--set", "my-eraser.ridge=2"]) == 0
    assert "my-eraser" in (tmp_path / "board" / "README.md").read_text()


def test_its_names_are_its_own(tmp_path: Path) -> None:
    assert main(["new-method", "closed-form2", "--out", str(tmp_path)]) == 0
    loaded = load_method(f"{tmp_path / 'closed_form2.py'}:ClosedForm2")
    assert loaded.name == "closed-form2"
    for file in tmp_path.glob("*.py"):
        assert not {"new-method", "new_method", "NewMethod"} & set(file.read_text().replace("'", " ").split())
        assert "NewMethod" not in file.read_text()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("My Eraser", "'My Eraser' cannot be the name of a method.\n"),
        ("-x", "No such option"),
        ("mace", "There is a method 'mace' already: erasebench.methods.mace:Mace"),
        ("class", "'class' has another meaning in Python"),
        ("method", "'method' has another meaning in Python or erasebench."),
        ("erasure-task", "'erasure-task' has another meaning"),
    ],
)
def test_a_name_that_cannot_be_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, message: str
) -> None:
    assert main(["new-method", name, "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith(message)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("file", ["my_eraser.py", "test_my_eraser.py"])
def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str) -> None:
    (tmp_path / file).write_text("mine")
    assert main(["new-method", "my-eraser", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith(f"{tmp_path / file} exists already.")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(file, "mine")]
