"""Somebody else's package, built as a wheel and installed in an environment of its own: its method runs like ours."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig
import venv
from pathlib import Path

import pytest

from erasebench.cli import main
from tests.test_cli import TOY

HERE = Path(__file__).parent
PROJECT = """
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "their-erasers"
version = "0.3"
dependencies = ["erasebench"]

[project.entry-points."erasebench.methods"]
their-eraser = "their_erasers.their_eraser:TheirEraser"

[tool.setuptools]
packages = ["their_erasers"]
"""
BUILD = "import sys; from setuptools.build_meta import build_wheel; print(build_wheel(sys.argv[1]))"
ERASEBENCH = "import sys; from erasebench.cli import main; sys.exit(main())"


def called(python: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """What an environment's Python says to `words`, as if this one were not there."""
    plain = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run([str(python), *words], capture_output=True, text=True, check=False, env=plain, cwd=cwd)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that sees this one's packages and has their wheel, built and installed offline."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, system_site_packages=True, with_pip=False, symlinks=True)
    site = next((home / "lib").glob("python*")) / "site-packages"
    # A virtual environment's own packages are no system packages: this one's are named to the new one.
    ours = sysconfig.get_path("purelib")
    (site / "ours.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
    python = home / "bin" / "python"
    project = tmp_path_factory.mktemp("their-erasers")
    assert main(["new-method", "their-eraser", "--out", str(project / "their_erasers")]) == 0
    (project / "their_erasers" / "__init__.py").write_text("")
    (project / "pyproject.toml").write_text(PROJECT)
    built = called(python, "-c", BUILD, str(project / "dist"), cwd=project)
    assert built.returncode == 0, built.stderr
    (wheel,) = (project / "dist").glob("their_erasers-0.3-*.whl")
    installed = called(python, "-m", "installer", str(wheel), cwd=project)
    assert installed.returncode == 0, installed.stderr
    shutil.rmtree(project)
    assert (site / "their_erasers" / "their_eraser.py").is_file()
    return python


def erasebench(python: Path, words: list[str]) -> subprocess.CompletedProcess[str]:
    return called(python, "-c", ERASEBENCH, *words, cwd=HERE.parent)


def test_it_is_listed_with_the_package_that_brings_it(environment: Path) -> None:
    listed = erasebench(environment, ["list"])
    assert listed.returncode == 0, listed.stderr
    (line,) = (line for line in listed.stdout.splitlines() if "their-eraser" in line)
    assert line.split() == [
        "method",
        "their-eraser",
        "their_erasers.their_eraser:TheirEraser",
        "(their-erasers",
        "0.3)",
    ]
    assert "mace" in listed.stdout
    settings = erasebench(environment, ["list", "--method", "their-eraser"])
    assert "ridge" in settings.stdout


def test_it_is_planned_by_its_name_without_a_model(environment: Path) -> None:
    words = ["run", "--method", "their-eraser", "--suite", "celebrity", "--dry-run"]
    planned = erasebench(environment, words)
    assert planned.returncode == 0, planned.stderr
    assert "their-eraser on celebrity-10" in planned.stdout


def test_it_runs_by_its_name(environment: Path, tmp_path: Path, tiny_model_folder: Path) -> None:
    places = ["--model", str(tiny_model_folder), "--out", str(tmp_path / "board"), "--runs-folder", str(tmp_path / "r")]
    words = ["run", "--method", "their-eraser", *TOY, *places, "--limit", "1", "--baselines", "none"]
    done = erasebench(environment, [*words, "--set", "their-eraser.ridge=2"])
    assert done.returncode == 0, done.stderr
    (record,) = (json.loads(path.read_text()) for path in (tmp_path / "board" / "results").glob("*.json"))
    assert (record["method"], record["status"]) == ("their-eraser", "done")
    assert record["manifest"]["config"]["method"]["ridge"] == 2


def test_this_environment_does_not_know_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    assert "their-eraser" not in capsys.readouterr().out
