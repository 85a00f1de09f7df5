"""A method's version follows its own source and that of every method that it imports."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from erasebench.api.method import load_method
from erasebench.runner.method_sources import method_sources


def test_a_single_file_a_package_and_what_they_build_on() -> None:
    assert method_sources("erasebench.methods.original") == ("erasebench.methods.original",)
    assert method_sources("erasebench.methods.mace.method") == ("erasebench.methods.mace",)
    assert method_sources("erasebench.methods.rece") == ("erasebench.methods.rece", "erasebench.methods.uce")


@pytest.mark.parametrize(
    "line",
    [
        "from erasebench.methods.rece import Rece as Base",
        "from erasebench.methods import rece\nBase = rece.Rece",
        "import erasebench.methods.rece\nBase = erasebench.methods.rece.Rece",
    ],
)
def test_a_file_loaded_by_path_counts_the_methods_that_it_imports(tmp_path: Path, line: str) -> None:
    (tmp_path / "mine.py").write_text(f"{line}\nclass Mine(Base):\n    name = 'mine'\n")
    module = load_method(f"{tmp_path / 'mine.py'}:Mine").__module__
    assert method_sources(module) == (module, "erasebench.methods.rece", "erasebench.methods.uce")


def test_a_third_partys_package_counts_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "theirs"
    (package / "deep").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "method.py").write_text("from .deep import part\n")
    (package / "deep" / "__init__.py").write_text("")
    (package / "deep" / "part.py").write_text("from erasebench.methods.uce import Uce\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert method_sources("theirs.method") == ("theirs", "erasebench.methods.uce")
    assert "theirs.method" not in sys.modules
