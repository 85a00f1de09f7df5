from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from erasebench.judges.fid_metrics import Reference, distance_metrics
from erasebench.metrics.missing import Unavailable
from erasebench.metrics.suite import suite_metrics
from tests.judges.own_metrics import METRICS

NAMES = ("Ann", "Bob", "Cem", "Dia")


def _table(groups: Sequence[str], seeds: int = 2) -> pd.DataFrame:
    """Two names in each group (none in the general one), two templates, `seeds` seeds."""
    rows = [
        {"group": group, "concept": "" if group == "general" else name, "prompt": f"{template} {name}", "seed": seed}
        for at, group in enumerate(groups)
        for name in NAMES[2 * (at % 2) : 2 * (at % 2) + 2]
        for template in ("a portrait of", f"a sketch in {group} of")
        for seed in range(1, seeds + 1)
    ]
    return pd.DataFrame(rows).assign(row=range(len(rows)))


def _seen(table: pd.DataFrame, right: dict[str, list[bool | None]]) -> pd.DataFrame:
    """Per group, for each image in order: the right name, a wrong one, or None for no face."""
    answers = [answer for group in table["group"].unique() for answer in right[group]]
    return pd.DataFrame(
        {
            "outcome": ["no-face" if answer is None else "scored" for answer in answers],
            "predicted": [
                None if answer is None else concept if answer else "Zoe"
                for answer, concept in zip(answers, table["concept"], strict=True)
            ],
        },
        index=table.index,
    )


def test_accuracies_and_their_composite_by_hand() -> None:
    table = _table(("erased", "retain-seen", "retain-heldout"))
    seen = _seen(
        table,
        {
            "erased": [True, False, False, None, False, None, False, True],  # 2 of 6 with a face
            "retain-seen": [True, True, True, False, True, True, True, None],  # 6 of 7
            "retain-heldout": [True, False, True, False, True, True, False, False],  # 4 of 8
        },
    )
    metrics = suite_metrics(table, {"face-id": seen}, {}, METRICS)
    assert metrics["acc_e"].value == pytest.approx(2 / 6)
    assert (metrics["acc_e"].n_scored, metrics["acc_e"].n_expected) == (6, 8)
    assert metrics["acc_s"].value == pytest.approx(10 / 15)
    assert metrics["acc_s_seen"].value == pytest.approx(6 / 7)
    assert metrics["acc_s_heldout"].value == pytest.approx(4 / 8)
    assert metrics["no_face_e"].value == pytest.approx(2 / 8)
    assert metrics["no_face_s"].value == pytest.approx(1 / 16)
    assert metrics["h_c"].value == pytest.approx(2 / (1 / (1 - 2 / 6) + 1 / (10 / 15)))
    for metric in metrics.values():
        assert metric.low is not None and metric.high is not None and metric.low < metric.high


def test_everything_erased_and_everything_kept_is_one() -> None:
    table = _table(("erased", "retain-seen"))
    metrics = suite_metrics(
        table, {"face-id": _seen(table, {"erased": [False] * 8, "retain-seen": [True] * 8})}, {}, METRICS
    )
    assert metrics["acc_e"].value == 0
    assert metrics["h_c"].value == 1
    assert "acc_s_heldout" not in metrics


def test_nothing_erased_is_zero() -> None:
    table = _table(("erased", "retain-seen"))
    metrics = suite_metrics(
        table, {"face-id": _seen(table, {"erased": [True] * 8, "retain-seen": [True] * 8})}, {}, METRICS
    )
    assert metrics["acc_e"].value == 1
    assert metrics["h_c"].value == 0


def test_erasing_everybody_is_zero_too() -> None:
    table = _table(("erased", "retain-seen"))
    metrics = suite_metrics(
        table, {"face-id": _seen(table, {"erased": [False] * 8, "retain-seen": [False] * 8})}, {}, METRICS
    )
    assert metrics["h_c"].value == 0


def test_no_face_at_all_is_unscored_and_never_a_good_score() -> None:
    table = _table(("erased", "retain-seen"))
    metrics = suite_metrics(
        table, {"face-id": _seen(table, {"erased": [None] * 8, "retain-seen": [True] * 8})}, {}, METRICS
    )
    for name in ("acc_e", "h_c"):
        assert metrics[name].value is None
        assert "no face" in (metrics[name].reason or "")
    assert metrics["acc_e"].n_scored == 0
    assert metrics["no_face_e"].value == 1


def test_an_image_that_could_not_be_read_counts_as_neither_face_nor_none() -> None:
    table = _table(("erased",))
    seen = _seen(table, {"erased": [True, None, None, True, True, True, True, True]})
    seen.loc[0] = {"outcome": "unreadable", "predicted": None}
    metrics = suite_metrics(table, {"face-id": seen}, {}, METRICS)
    assert (metrics["acc_e"].n_scored, metrics["no_face_e"].n_scored) == (5, 7)
    assert metrics["no_face_e"].value == pytest.approx(2 / 7)
    assert metrics["no_face_e"].n_expected == 8


def test_the_two_face_judges_agree_where_both_found_a_face() -> None:
    table = _table(("erased", "retain-seen"))
    one = _seen(table, {"erased": [True] * 4 + [None] * 4, "retain-seen": [True] * 8})
    two = _seen(table, {"erased": [False, True, None, True, True, True, True, True], "retain-seen": [True] * 8})
    metrics = suite_metrics(table, {"face-id": one, "attributes": two}, {}, METRICS)
    agreement = metrics["judge_agreement"]
    assert (agreement.n_scored, agreement.n_expected) == (11, 16)
    assert agreement.value == pytest.approx(10 / 11)
    assert metrics["attribute_acc_e"].value == pytest.approx(6 / 7)
    assert metrics["attribute_acc_s"].value == 1


def test_clip_score_is_the_mean_over_the_general_group_alone() -> None:
    table = _table(("general", "erased"))
    scores = pd.DataFrame({"outcome": "scored", "clip_score": np.arange(16.0)}, index=table.index)
    scores.loc[3] = {"outcome": "not-finite", "clip_score": np.nan}
    metric = suite_metrics(table, {"clip-score": scores}, {}, METRICS)["clip_score_general"]
    assert metric.value == pytest.approx((sum(range(8)) - 3) / 7)
    assert (metric.n_scored, metric.n_expected, metric.unit) == (7, 8, "points")


def test_a_missing_judge_leaves_unscored_figures_with_the_reason() -> None:
    table = _table(("erased", "retain-seen", "general"))
    named = ("erased", "retain-seen")
    lacking = {
        "face-id": Unavailable("no weights", named),
        "attributes": Unavailable("no reader", named),
        "clip-score": Unavailable("no CLIP", ("general",)),
        "fid": Unavailable("no Inception", ("general",)),
    }
    metrics = suite_metrics(table, {}, lacking, METRICS)
    assert set(metrics) == {
        *("acc_e", "acc_s", "acc_s_seen", "h_c", "no_face_e", "no_face_s", "attribute_acc_e", "attribute_acc_s"),
        *("acc_e_strict", "acc_s_strict", "h_c_strict", "clip_score_general", "fid_8"),
    }
    assert all(metric.value is None and metric.n_scored == 0 for metric in metrics.values())
    assert metrics["acc_s"].reason == "no weights"
    assert metrics["h_c"].n_expected == 16


def _features(n: int, shift: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(n)
    vectors = [row.astype(np.float32) for row in rng.normal(size=(n, 4)) + shift]
    return pd.DataFrame(
        {"group": "general", "prompt": [f"p{at}" for at in range(n)], "outcome": "scored", "features": vectors}
    )


def test_distances_carry_their_family_and_the_number_of_images_in_their_names() -> None:
    reference = np.random.default_rng(0).normal(size=(50, 4))
    rows = _features(40)
    rows.loc[0, "outcome"] = "missing"
    mini = distance_metrics(rows, Reference(reference, "mini"))
    assert set(mini) == {"fid_mini_39", "kd_mini_39"}
    assert set(distance_metrics(_features(40), Reference(reference, ""))) == {"fid_40", "kid_40"}
    assert (mini["fid_mini_39"].n_scored, mini["fid_mini_39"].n_expected) == (39, 40)
    assert set(distance_metrics(_features(2100), Reference(reference, ""))) == {"fid_2100"}


def test_distances_grow_with_the_shift_and_are_near_zero_without_one() -> None:
    reference = Reference(np.random.default_rng(0).normal(size=(300, 4)), "mini")
    same, moved = (distance_metrics(_features(300, shift), reference) for shift in (0.0, 1.0))
    low, high = same["kd_mini_300"].low, same["kd_mini_300"].high
    assert low is not None and high is not None and low < 0 < high
    assert (same["fid_mini_300"].value or 0) < 0.2 < 3 < (moved["fid_mini_300"].value or 0)
    assert (moved["kd_mini_300"].low or 0) > high


def test_one_image_has_no_distance_and_two_prompts_no_interval() -> None:
    reference = Reference(np.random.default_rng(0).normal(size=(50, 4)), "mini")
    one = distance_metrics(_features(1), reference)
    assert all(metric.value is None and "two images" in (metric.reason or "") for metric in one.values())
    two = distance_metrics(_features(2), reference)
    assert all(metric.value is not None and metric.low is None and metric.reason for metric in two.values())
