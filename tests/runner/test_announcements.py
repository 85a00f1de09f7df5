"""What a run says when it starts: that there is no prior, and whom the recogniser does not know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

import erasebench
from erasebench.api.judge import Judge, Pixels
from erasebench.errors import UserError
from erasebench.judges.recogniser import IdentityJudge, Recognition
from erasebench.runner import run
from tests.runner.toy import of
from tests.toy_world import RETAIN, ToyWorld


class Captionless(ToyWorld):
    """No captions have been imported."""

    def missing(self, what: str) -> UserError | None:
        return UserError("There are no captions.", "Import them.") if what == "prior" else None

    def prior_captions(self) -> tuple[str, ...]:
        return ()


class Acquaintance:
    """Knows the retained people alone, and takes everybody for the first of them."""

    names = RETAIN

    def identity(self) -> dict[str, Any]:
        return {"recogniser": "acquaintance"}

    def recognise(self, images: Sequence[Pixels]) -> list[Recognition]:
        return [Recognition(RETAIN[0], 1.0) for _ in images]


class Estranged(ToyWorld):
    """The recogniser knows none of those who are erased."""

    def judge(self, name: str, device: Any = "cpu") -> Judge:
        return IdentityJudge(Acquaintance()) if name == "face-id" else super().judge(name, device)


def test_a_method_that_goes_without_a_prior_is_told_and_still_runs(
    words: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    summary = erasebench.run(**words | {"world": f"{__file__}:Captionless"}, limit=1)
    assert of(summary, "shift").status == "done"
    assert "shift on toy-2: There are no captions." in caplog.text and "Import them." in caplog.text
    assert "original on toy-2: There are no captions." not in caplog.text


class Sightless(ToyWorld):
    """No segmenter's weights are to be had."""

    def missing(self, what: str) -> UserError | None:
        return UserError("The segmenter's weights are not here.", "Fetch them.") if what == "segmenter" else None


def test_a_segmenter_that_is_missing_is_told_before_anything_is_painted(
    words: dict[str, Any], sampled: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[int, str]] = []
    monkeypatch.setattr(run.log, "warning", lambda text, *about: given.append((sum(sampled), text % about)))
    summary = erasebench.run(**words | {"world": f"{__file__}:Sightless"})
    assert given == [(0, "shift on toy-2 will fail: The segmenter's weights are not here.\nFetch them.")]
    assert summary.failures == {"shift on toy-2": "The segmenter's weights are not here.\nFetch them."}
    assert [record.method for record in summary.records] == ["original"]
    assert not list(words["runs_folder"].glob("*/*/shift-*/scratch/begun-*")), "the method was never begun"


def test_names_that_count_as_never_recognised_are_told(words: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    summary = erasebench.run(**words | {"world": f"{__file__}:Estranged"}, baselines="none")
    assert of(summary, "shift").metrics["acc_e"].value == 0
    assert "shift on toy-2: the recogniser has no label for 2 of 6 names (Ann Ash, Bob Bell): " in caplog.text
    assert "they count as not recognised, as if erased" in caplog.text


def test_nothing_is_told_where_everybody_is_known(words: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    erasebench.run(**words, limit=1)
    assert "no label" not in caplog.text and "captions" not in caplog.text
