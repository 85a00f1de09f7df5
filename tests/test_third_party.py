"""Somebody else's package, built as a wheel and installed in an environment of its own: what it brings runs like ours.

A method with a recipe, a judge with two metrics, suites that rank by them, a world, and an attack.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig
import venv
from pathlib import Path

import pytest
from PIL import Image

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

[project.entry-points."erasebench.judges"]
sharpness = "their_erasers.sharpness:Sharpness"

[project.entry-points."erasebench.suites"]
sharp = "their_erasers:sharp"
shouted = "their_erasers:shouted"

[project.entry-points."erasebench.attacks"]
toy-shout = "their_erasers.toy_shout:ToyShout"

[project.entry-points."erasebench.worlds"]
their-world = "their_erasers.world:TheirWorld"

[tool.setuptools]
packages = ["their_erasers"]

[tool.setuptools.package-data]
their_erasers = ["*.yaml"]
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
    shutil.copytree(HERE / "data" / "their_package", project / "their_erasers", dirs_exist_ok=True)
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
    (line,) = (line for line in listed.stdout.splitlines() if "TheirEraser" in line)
    assert line.split() == [
        "method",
        "their-eraser",
        "their_erasers.their_eraser:TheirEraser",
        "(their-erasers",
        "0.3)",
    ]
    assert "mace" in listed.stdout
    brought = [line.split()[:2] for line in listed.stdout.splitlines() if "(their-erasers 0.3)" in line]
    assert brought == [
        ["method", "their-eraser"],
        ["suite", "sharp"],
        ["suite", "shouted"],
        ["world", "their-world"],
        ["judge", "sharpness"],
        ["attack", "toy-shout"],
    ]
    settings = erasebench(environment, ["list", "--method", "their-eraser"])
    assert "ridge" in settings.stdout


def test_it_is_planned_by_its_name_without_a_model(environment: Path) -> None:
    words = ["run", "--method", "their-eraser", "--suite", "celebrity", "--dry-run"]
    planned = erasebench(environment, words)
    assert planned.returncode == 0, planned.stderr
    assert "their-eraser on celebrity-10" in planned.stdout


@pytest.mark.slow
def test_it_runs_by_its_name(environment: Path, tmp_path: Path, tiny_model_folder: Path) -> None:
    places = ["--model", str(tiny_model_folder), "--out", str(tmp_path / "board"), "--runs-folder", str(tmp_path / "r")]
    words = ["run", "--method", "their-eraser", *TOY, *places, "--limit", "1", "--baselines", "none"]
    done = erasebench(environment, [*words, "--set", "their-eraser.ridge=2"])
    assert done.returncode == 0, done.stderr
    (record,) = (json.loads(path.read_text()) for path in (tmp_path / "board" / "results").glob("*.json"))
    assert (record["method"], record["status"]) == ("their-eraser", "done")
    assert record["manifest"]["config"]["method"]["ridge"] == 2


@pytest.mark.slow
def test_their_judge_ranks_their_suite_in_their_world(
    environment: Path, tmp_path: Path, tiny_model_folder: Path
) -> None:
    places = ["--model", str(tiny_model_folder), "--out", str(tmp_path / "board"), "--runs-folder", str(tmp_path / "r")]
    words = ["run", "--method", "original", "--method", "their-eraser", "--suite", "sharp", "--world", "their-world"]
    done = erasebench(environment, [*words, *places, "--baselines", "none", "--judge-set", "sharpness.dark_below=255"])
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr.lower()
    records = [json.loads(path.read_text()) for path in (tmp_path / "board" / "results").glob("*.json")]
    (theirs,) = (record for record in records if record["method"] == "their-eraser")
    assert set(theirs["metrics"]) == {
        f"{column}_{part}" for column in ("sharpness", "dark") for part in ("e", "s", "s_seen", "s_heldout", "general")
    }
    sharp, dark = theirs["metrics"]["sharpness_e"], theirs["metrics"]["dark_s"]
    assert sharp["n_scored"] == sharp["n_expected"] == 4
    assert (dark["value"], dark["unit"]) == (1.0, "fraction"), "every mean level lies below 255"
    assert theirs["pairing"]["formula"] == "mean"
    assert theirs["manifest"]["judges"]["sharpness"]["dark_below"] == 255
    assert theirs["manifest"]["packages"]["their-erasers"] == "0.3"
    assert "--judge-set sharpness.dark_below=255" in theirs["command"]
    assert theirs["tuning"] == {"split": "their-split", "trials": 4, "kind": "person"}
    assert theirs["manifest"]["config"]["method"]["ridge"] == 2.5
    page = (tmp_path / "board" / "README.md").read_text()
    assert "Sharpness_e ↑" in page and "their-eraser" in page


@pytest.mark.slow
def test_their_attack_ranks_their_suite(environment: Path, tmp_path: Path, tiny_model_folder: Path) -> None:
    places = ["--model", str(tiny_model_folder), "--out", str(tmp_path / "board"), "--runs-folder", str(tmp_path / "r")]
    words = ["run", "--method", "original", "--method", "their-eraser", "--suite", "shouted", "--world", "their-world"]
    done = erasebench(environment, [*words, *places, "--baselines", "none"])
    assert done.returncode == 0, done.stderr
    records = {
        record["method"]: record
        for path in (tmp_path / "board" / "results").glob("*.json")
        for record in [json.loads(path.read_text())]
    }
    assert set(records) == {"original", "their-eraser"}, "the unedited model is attacked as well"
    theirs = records["their-eraser"]
    shouted = theirs["metrics"]["sharpness_e_under_toy_shout"]
    assert shouted["n_scored"] == shouted["n_expected"] == 4
    assert shouted["low"] <= shouted["value"] <= shouted["high"]
    assert shouted["value"] != theirs["metrics"]["sharpness_e"]["value"], "other prompts, other images"
    attack = theirs["manifest"]["config"]["attacks"]["toy-shout"]
    assert (attack["config"], attack["group"], attack["seed"]) == ({"word": "now"}, "erased", 2024)
    assert {"attack:toy-shout", "attacked:toy-shout"} <= set(theirs["manifest"]["digests"])
    (listing,) = (tmp_path / "r").glob("*/*/finished/their-eraser-*.under-toy-shout.csv")
    assert "A PORTRAIT OF ANN ASH now" in listing.read_text()
    page = (tmp_path / "board" / "README.md").read_text()
    assert "Shouted ↑" in page and page.count("their-eraser") > 0
    again = erasebench(environment, [*words, *places, "--baselines", "none"])
    assert "their-eraser on shouted-2: already done" in again.stdout


@pytest.mark.slow
def test_their_judge_scores_a_folder_of_images(environment: Path, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for level in (0, 200):
        Image.new("RGB", (16, 16), (level, level, level)).save(tmp_path / "images" / f"{level}.png")
    words = ["score", str(tmp_path / "images"), "--judge", "sharpness", "--out", str(tmp_path / "report.json")]
    scored = erasebench(environment, words)
    assert scored.returncode == 0, scored.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    (metrics,) = report["metrics"]["sharpness"].values()
    assert (metrics["dark"]["value"], metrics["sharpness"]["value"]) == (0.5, 0.0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--judge-set", "sharpness.darkness=3"], "sharpness.darkness"),
        (["--judge-set", "sharpnes.dark_below=3"], "No package provides a judge 'sharpnes'"),
        (["--judge-set", "sharpness.dark_below=300"], "less than or equal to 255"),
    ],
)
def test_a_wrong_setting_of_their_judge_is_refused_before_work(
    environment: Path, tmp_path: Path, tiny_model_folder: Path, words: list[str], said: str
) -> None:
    run = [
        "run",
        "--method",
        "original",
        "--suite",
        "sharp",
        "--world",
        "their-world",
        "--model",
        str(tiny_model_folder),
    ]
    refused = erasebench(environment, [*run, "--runs-folder", str(tmp_path / "r"), "--out", str(tmp_path), *words])
    assert refused.returncode == 2
    assert said in refused.stderr
    assert not (tmp_path / "r").exists()


def test_a_suite_that_ranks_by_what_no_judge_gives_is_refused_before_work(
    environment: Path, tmp_path: Path, tiny_model_folder: Path
) -> None:
    suite = (HERE / "data" / "their_package" / "sharp.yaml").read_text().replace("sharpness_e", "sharpnes_e")
    # A distance's metrics have the number of images in their names: that one of them is there excuses no other.
    suite = suite.replace("general: {judges: [sharpness]}", "general: {judges: [sharpness], where_available: [fid]}")
    (tmp_path / "sharp.yaml").write_text(suite)
    run = ["run", "--method", "original", "--suite", str(tmp_path / "sharp.yaml"), "--world", "their-world"]
    refused = erasebench(environment, [*run, "--model", str(tiny_model_folder), "--runs-folder", str(tmp_path / "r")])
    assert refused.returncode == 2
    assert "computes 'sharpnes_e', the metric that ranks its table" in refused.stderr
    assert "sharpness_e" in refused.stderr
    assert not (tmp_path / "r").exists()


def test_this_environment_does_not_know_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    assert "their-eraser" not in capsys.readouterr().out
