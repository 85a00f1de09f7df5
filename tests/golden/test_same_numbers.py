"""What the comparison takes for the same, and what not."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pandas as pd
import pytest

from tests.golden.same_numbers import column_digests, differing, report

JOB = {
    "erasure": {"tensors": 14, "digest": "5c"},
    "images": {"images": 12, "digest": "e0"},
    "judgements": {"clip: outcome": "1a", "clip: score": "2b"},
    "metrics": {"acc_e": ["0.5", "0.25", "0.75"], "acc_s": ["1.0", "None", "None"]},
}
CONTENT: dict[str, Any] = {"machine": {"cpu": "AVX2"}, "jobs": {"uce / person / default": JOB}}


def test_a_renamed_metric_is_the_same_by_its_value() -> None:
    assert differing({"a": 1, "b": 2}, {"a": 1, "c": 2}) == []


def test_two_metrics_that_changed_places_differ() -> None:
    assert differing({"a": 1, "b": 2}, {"a": 2, "b": 1}) == ["a", "b"]


def test_what_is_on_one_side_alone_differs() -> None:
    assert differing({"a": 1, "b": 2}, {"a": 1, "c": 3}) == ["b (only before)", "c (only after)"]


def test_rows_in_another_order_and_another_type_are_the_same() -> None:
    before = pd.DataFrame({"prompt": ["a", "b"], "seed": [1, 2], "score": [1.0, None], "seconds": [0.1, 0.2]})
    after = pd.DataFrame({"prompt": ["b", "a"], "seed": [2, 1], "score": [pd.NA, 1], "seconds": [7, 8]})
    assert column_digests(after) == column_digests(before)


def test_a_last_digit_differs() -> None:
    before = pd.DataFrame({"score": [0.1 + 0.2]})
    assert column_digests(before) != column_digests(pd.DataFrame({"score": [0.3]}))


def test_equal_files_differ_in_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(CONTENT, deepcopy(CONTENT)) == 0
    assert "| uce | default |  | same |  |  |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("part", "name"), [("erasure", "digest"), ("images", "digest"), ("judgements", "clip: score"), ("metrics", "acc_e")]
)
def test_one_other_value_is_named(capsys: pytest.CaptureFixture[str], part: str, name: str) -> None:
    after = deepcopy(CONTENT)
    after["jobs"]["uce / person / default"][part][name] = "other"
    assert report(CONTENT, after) == 1
    assert f"uce / person / default: {part}: {name}" in capsys.readouterr().out


def test_a_missing_job_is_a_difference() -> None:
    assert report(CONTENT, {**CONTENT, "jobs": {}}) == 1
