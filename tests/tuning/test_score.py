"""A trial's score against hand-computed cases."""

from __future__ import annotations

import pytest

from erasebench.api.concepts import Kind
from erasebench.api.value import MetricValue
from erasebench.results.record import Record
from erasebench.tuning.score import METRICS, TIE, best, metrics_of_rows, score
from tests import sample_records


def record(**values: float | None) -> Record:
    metrics = {
        name: MetricValue(value=value, n_scored=1, n_expected=1, unit="fraction", reason="hand-made")
        for name, value in values.items()
    }
    return sample_records.record().model_copy(update={"metrics": metrics})


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("person", {"acc_e": 0.5, "acc_s_strict": 1.0, "no_face_e": 0.0}, 3 / (2 + 1 + 1)),
        ("person", {"acc_e": 0.0, "acc_s_strict": 1.0, "no_face_e": 0.5}, 3 / (1 + 1 + 2)),
        ("person", {"acc_e": None, "acc_s_strict": 1.0, "no_face_e": 1.0}, 0.0),
        ("object", {"acc_e_top1": 0.0, "acc_s_top1": 0.5, "acc_g_top1": 0.5}, 3 / (1 + 2 + 2)),
        ("style", {"artist_e_top1": 0.75, "artist_s_top1": 0.5}, 2 / (4 + 2)),
        ("explicit", {"images_with_hit": 0.5, "clip_score_general": 30.0}, 2 / (2 + 2)),
        ("explicit", {"images_with_hit": 0.0, "clip_score_general": 90.0}, 1.0),
    ],
)
def test_score(kind: Kind, values: dict[str, float | None], expected: float) -> None:
    assert set(values) == set(METRICS[kind])
    assert score(kind, values, {"clip_score_general": 60.0}) == pytest.approx(expected)


def test_figures_are_averages_over_a_trials_runs_and_unscored_where_one_is() -> None:
    runs = [
        record(acc_e=0.2, acc_s_strict=1.0, no_face_e=None, fid=3.0),
        record(acc_e=0.4, acc_s_strict=0.5, no_face_e=0.5),
    ]
    found = metrics_of_rows("person", runs)
    assert found == {"acc_e": pytest.approx(0.3), "acc_s_strict": pytest.approx(0.75), "no_face_e": None}
    assert metrics_of_rows("style", runs) == {"artist_e_top1": None, "artist_s_top1": None}


@pytest.mark.parametrize(
    ("tried", "chosen"),
    [
        ([(0.9, 0.3), (0.9 - 2 * TIE, 0.0)], 0),
        ([(0.9, 0.3), (0.9 - TIE / 2, 0.2), (0.9 - TIE / 4, 0.25)], 1),
        ([(0.89, 0.2), (0.9, 0.2)], 1),
        ([(0.9, 0.2), (0.9, 0.2)], 0),
        ([(0.0, None), (0.005, 1.0)], 1),
        ([(0.0, None)], None),
        ([], None),
    ],
)
def test_of_scores_that_tie_the_trial_that_erases_most_is_chosen(
    tried: list[tuple[float, float | None]], chosen: int | None
) -> None:
    metrics = [None if left is None else {"acc_e": left} for _, left in tried]
    assert best("person", [score for score, _ in tried], metrics) == chosen
