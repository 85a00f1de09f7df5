"""The conformance kit: what erasebench asks of every erasure method, ours and yours, on a toy model in seconds.

    import pytest
    from erasebench.testing import CHECKS, Candidate

    CANDIDATE = Candidate("path/to/mine.py:Mine", {"steps": 2})

    @pytest.mark.parametrize("check", CHECKS)
    def test_it_conforms(check):
        check(CANDIDATE)

A check that fails raises AssertionError and says what the method did and what it has to do instead.
"""

from __future__ import annotations

from erasebench.testing.candidate import Candidate
from erasebench.testing.checks import CHECKS
from erasebench.testing.model import tiny_pipeline, write_tiny_model

__all__ = ["CHECKS", "Candidate", "tiny_pipeline", "write_tiny_model"]
