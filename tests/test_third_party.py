"""Somebody else's package, installed in an environment of its own: its method is listed and run like ours."""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
import venv
from pathlib import Path

import pytest

from erasebench.cli import main
from tests.test_cli import TOY

HERE = Path(__file__).parent
METADATA = "Metadata-Version: 2.1\nName: their-erasers\nVersion: 0.3\n"
ENTRY_POINTS = "[erasebench.methods]\ntheir-eraser = their_erasers.their_eraser:TheirEraser\n"
ERASEBENCH = "import sys; from erasebench.cli import main; sys.exit(main())"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that sees this one's packages and holds theirs, installed as a wheel is."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, system_site_packages=True, with_pip=False, symlinks=True)
    site = next((home / "lib").glob("python*")) / "site-packages"
    # A virtual environment's own packages are no system packages: this one's are named to the new one.
    ours = sysconfig.get_path("purelib")
    (site / "ours.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
    package = site / "their_erasers"
    assert main(["new-method", "their-eraser", "--out", str(package)]) == 0
    (package / "__init__.py").write_text("")
    info = site / "their_erasers-0.3.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(METADATA)
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    return home / "bin" / "python"


def erasebench(python: Path, words: list[str]) -> subprocess.CompletedProcess[str]:
    plain = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    command = [str(python), "-c", ERASEBENCH, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=plain, cwd=HERE.parent)


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
