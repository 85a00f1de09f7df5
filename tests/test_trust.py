"""docs/trust.md, claim by claim: which files run code, and which are only read."""

from __future__ import annotations

import json
import pickle
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from erasebench.api.sampling_change import restored
from erasebench.cli import main
from erasebench.errors import UserError
from erasebench.prompts import read_csv
from erasebench.suite.suite import load_suite
from erasebench.worlds.stable_diffusion.world import StableDiffusionWorld

ROOT = Path(__file__).parents[1]
MARK = "Path('ran').touch()"
SCRIPT = f"from pathlib import Path\n{MARK}\n"


class Code:
    """What a pickle runs when it is opened as Python's own does it."""

    def __reduce__(self) -> Any:
        return (Path.touch, (Path("ran"),))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def model(here: Path, tiny_model_folder: Path) -> Path:
    return shutil.copytree(tiny_model_folder, here / "model")


def changed(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_plan_that_names_a_file_runs_it(here: Path) -> None:
    (here / "own.py").write_text(SCRIPT)
    (here / "plan.yaml").write_text("runs: [{methods: ['own.py:Own'], suites: [celebrity]}]")
    assert main(["run", "--plan", "plan.yaml", "--dry-run"]) == 2, "it has no class Own"
    assert (here / "ran").exists()


@pytest.mark.parametrize("module", ["typer", "signal"])
def test_a_file_in_the_working_folder_is_not_imported_in_place_of_a_library(here: Path, module: str) -> None:
    (here / f"{module}.py").write_text(SCRIPT)
    asked = [sys.executable, "-m", "erasebench", "--version"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False, cwd=here)
    assert done.stdout.startswith("erasebench "), done.stderr
    assert not (here / "ran").exists()


def test_weights_that_are_a_pickle_with_code_are_refused(here: Path, model: Path) -> None:
    for file in (model / "unet").glob("*.safetensors"):
        file.unlink()
    torch.save({"conv_in.weight": Code()}, model / "unet" / "diffusion_pytorch_model.bin")
    with pytest.raises(UserError, match="unet"):
        StableDiffusionWorld(str(model)).pipeline()
    assert not (here / "ran").exists()


@pytest.mark.parametrize("part", ["unet", "text_encoder", "tokenizer", "scheduler"])
def test_a_models_folder_runs_no_python_that_it_brings(here: Path, model: Path, part: str) -> None:
    """Diffusers and transformers load a folder's own Python only where they are asked to trust it: here never."""
    (model / part / "own.py").write_text(SCRIPT + "class Own: pass\n")
    config = {"scheduler": "scheduler_config.json", "tokenizer": "tokenizer_config.json"}.get(part, "config.json")
    changed(model / part / config, auto_map={"AutoModel": "own.Own", "AutoTokenizer": ["own.Own", None]})
    StableDiffusionWorld(str(model)).pipeline()
    changed(model / "model_index.json", **{part: ["own", "Own"]})
    with suppress(UserError):  # Refused or left unread: either is safe.
        StableDiffusionWorld(str(model)).pipeline()
    assert not (here / "ran").exists()


def test_an_erasure_names_its_change_of_sampling_and_brings_no_code(here: Path) -> None:
    (here / "own.py").write_text(SCRIPT)
    with pytest.raises(UserError):
        restored("own.py:Own", {}, {})
    assert not (here / "ran").exists()


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path [ran]]",
        "name: !!python/name:os.system",
    ],
)
def test_a_suite_is_data(here: Path, text: str) -> None:
    (here / "suite.yaml").write_text(text)
    with pytest.raises(UserError):
        load_suite("suite.yaml")
    assert not (here / "ran").exists()


def test_a_table_is_data(here: Path) -> None:
    (here / "table.csv").write_bytes(pickle.dumps(Code()))
    with pytest.raises(UserError):
        read_csv(here / "table.csv")
    assert not (here / "ran").exists()


def test_every_test_that_the_page_names_is_there() -> None:
    page = (ROOT / "docs" / "trust.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[a-z_/]+\.py)(?:::(\w+))?`", page)
    assert len(named) > 5
    for file, function in named:
        assert f"def {function}" in (ROOT / file).read_text(encoding="utf-8"), (file, function)
