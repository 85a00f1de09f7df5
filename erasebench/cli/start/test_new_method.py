"""new-method does what every method has to do, and what it claims."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from erasebench.testing import CHECKS, Candidate

# As second argument, settings that make it fast on a toy: {"steps": 2}.
CANDIDATE = Candidate(f"{Path(__file__).parent / 'new_method.py'}:NewMethod")


@pytest.mark.parametrize("check", CHECKS)
def test_it_conforms(check: Callable[[Candidate], None]) -> None:
    check(CANDIDATE)


def test_it_edits_every_projection_that_it_may_touch() -> None:
    method = CANDIDATE.method(CANDIDATE.config("person"))
    names = {f"unet.{name}" for name, _ in CANDIDATE.pipeline.unet.named_parameters()}
    assert set(CANDIDATE.erased().erasure.tensors) == {name for name in names if method.edits(name)}
