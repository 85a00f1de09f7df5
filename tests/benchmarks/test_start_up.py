"""How long a command takes that computes nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from tests.benchmarks.measure import children, put, repeated


@pytest.mark.slow
def test_list_answers_without_the_heavy_libraries(benchmark: BenchmarkFixture) -> None:
    def list_() -> None:
        subprocess.run([sys.executable, "-m", "erasebench", "list"], check=True, capture_output=True)

    list_()  # first call: byte code is written
    before = children()
    values = benchmark.pedantic(repeated, args=(list_,), rounds=1)
    put(benchmark, "list", values, seconds={"processor": (children() - before) / len(values)})
    code = "import sys; from erasebench.cli import main; main(['list']); print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert not {"'torch'", "'numpy'", "'pandas'", "'diffusers'"} & set(loaded.splitlines()[-1].strip("[]").split(", "))
