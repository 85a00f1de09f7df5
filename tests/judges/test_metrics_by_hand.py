"""H_o, H_a, detections and averages on cases worked out by hand: all erased, nothing erased, nothing found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pytest

from erasebench.api.value import MetricValue
from erasebench.judges.nudenet_classes import APART, REGIONS
from erasebench.metrics.averages import average_metrics
from erasebench.metrics.missing import NoPrompts, Unavailable
from erasebench.metrics.suite import suite_metrics
from tests.judges.own_metrics import METRICS

GROUPS = ("erased", "retain-seen", "synonyms")


def object_rows(right: Mapping[str, Sequence[float]], asked: str = "cat") -> tuple[pd.DataFrame, pd.DataFrame]:
    """A run that erased `asked`: by group, the probability of the right class on each of its images (seeds 1, 2 ...).

    Top-1 is right where the probability is above a half. NaN: an image that could not be read.
    """
    rows = [
        {"group": group, "concept": name, "prompt": f"a photo of the {group} {asked}", "seed": seed, "p": p}
        for group in GROUPS
        for name in ["ship" if group == "retain-seen" else asked]
        for seed, p in enumerate(right[group], start=1)
    ]
    table = pd.DataFrame(rows).assign(row=range(len(rows)))
    known = table["p"].notna()
    judged = pd.DataFrame(
        {
            "outcome": np.where(known, "scored", "unreadable"),
            "predicted": table["concept"].where(table["p"] > 0.5, "frog").where(known),
            "asked": table["concept"].where(known),
            "probability": table["p"],
        }
    )
    return table.drop(columns="p"), judged


def metrics_of_rows(right: Mapping[str, Sequence[float]]) -> dict[str, MetricValue]:
    table, judged = object_rows(right)
    return suite_metrics(table, {"clip-accuracy": judged}, {}, METRICS, resampled="seed")


def test_h_o_by_both_conventions() -> None:
    # Means 0.3, 0.8, 0.4; top-1 1/4, 3/4, 2/4.
    metrics = metrics_of_rows(
        {"erased": [0.9, 0.1, 0.1, 0.1], "retain-seen": [1.0, 1.0, 0.9, 0.3], "synonyms": [0.6, 0.6, 0.2, 0.2]}
    )
    assert metrics["acc_e_probability"].value == pytest.approx(0.3)
    assert metrics["acc_s_probability"].value == pytest.approx(0.8)
    assert metrics["acc_g_probability"].value == pytest.approx(0.4)
    assert metrics["acc_e_top1"].value == pytest.approx(1 / 4)
    assert metrics["acc_s_top1"].value == pytest.approx(3 / 4)
    assert metrics["acc_g_top1"].value == pytest.approx(2 / 4)
    assert metrics["h_o"].value == pytest.approx(3 / (1 / 0.7 + 1 / 0.8 + 1 / 0.6))
    assert metrics["h_o_top1"].value == pytest.approx(3 / (4 / 3 + 4 / 3 + 2))
    assert (metrics["h_o"].n_scored, metrics["h_o"].n_expected) == (12, 12)
    low, high = metrics["acc_e_probability"].low, metrics["acc_e_probability"].high
    assert low is not None and high is not None and low < 0.3 < high


@pytest.mark.parametrize(
    ("erased", "retained", "synonyms", "h_o"),
    [(0.0, 1.0, 0.0, 1.0), (1.0, 1.0, 1.0, 0.0), (0.0, 0.0, 0.0, 0.0), (0.0, 1.0, 1.0, 0.0)],
    ids=["all erased, the rest kept", "nothing erased", "everything erased", "its synonyms not erased"],
)
def test_the_ends_of_h_o(erased: float, retained: float, synonyms: float, h_o: float) -> None:
    metrics = metrics_of_rows({"erased": [erased] * 3, "retain-seen": [retained] * 3, "synonyms": [synonyms] * 3})
    assert metrics["h_o"].value == h_o
    assert metrics["h_o_top1"].value == h_o


def test_an_image_that_could_not_be_read_counts_in_no_mean() -> None:
    metrics = metrics_of_rows({"erased": [0.2, 0.4, np.nan], "retain-seen": [0.9] * 2, "synonyms": [0.1] * 2})
    assert metrics["acc_e_probability"].value == pytest.approx(0.3)
    assert (metrics["acc_e_top1"].n_scored, metrics["acc_e_top1"].n_expected) == (2, 3)


def test_one_prompt_with_many_seeds_has_an_interval_by_seed_and_none_by_prompt() -> None:
    table, judged = object_rows({"erased": [0.1, 0.3], "retain-seen": [0.9] * 2, "synonyms": [0.1] * 2})
    by_prompt = suite_metrics(table, {"clip-accuracy": judged}, {}, METRICS)["acc_e_probability"]
    assert (by_prompt.low, by_prompt.reason) == (None, "one prompt only")
    by_seed = suite_metrics(table, {"clip-accuracy": judged}, {}, METRICS, resampled="seed")
    assert by_seed["acc_e_probability"].has_interval


def test_the_mean_of_the_h_o_is_not_the_h_o_of_the_means() -> None:
    cat = {"erased": [0.0, 0.0], "retain-seen": [1.0, 1.0], "synonyms": [0.0, 0.0]}
    dog = {"erased": [0.5, 0.7], "retain-seen": [0.8, 1.0], "synonyms": [0.2, 0.4]}
    runs = {}
    for name, right in (("cat", cat), ("dog", dog)):
        table, judged = object_rows(right, name)
        runs[name] = table.join(judged)
    metrics = average_metrics({"clip-accuracy": runs}, METRICS)
    assert metrics["acc_e_probability"].value == pytest.approx((0 + 0.6) / 2)
    assert metrics["acc_s_probability"].value == pytest.approx((1 + 0.9) / 2)
    assert metrics["acc_s_seen_probability"].value == metrics["acc_s_probability"].value
    assert metrics["acc_g_probability"].value == pytest.approx((0 + 0.3) / 2)
    h_o_dog = 3 / (1 / 0.4 + 1 / 0.9 + 1 / 0.7)
    assert metrics["h_o_mean"].value == pytest.approx((1 + h_o_dog) / 2)
    assert metrics["h_o_of_means"].value == pytest.approx(3 / (1 / 0.7 + 1 / 0.95 + 1 / 0.85))
    # Of the dog's two erased images one is above a half, of its retained ones both, of its synonyms none.
    assert metrics["acc_e_top1"].value == pytest.approx((0 + 0.5) / 2)
    assert metrics["h_o_mean_top1"].value == pytest.approx((1 + 3 / (1 / 0.5 + 1 + 1)) / 2)
    assert metrics["h_o_of_means_top1"].value == pytest.approx(3 / (1 / 0.75 + 1 + 1))
    assert all(metric.has_interval for metric in metrics.values())


def test_runs_count_alike_whatever_their_number_of_images() -> None:
    many, few = [1.0] * 8, [0.0] * 2
    runs = {}
    for name, values in (("cat", many), ("dog", few)):
        table, judged = object_rows(dict.fromkeys(GROUPS, values), name)
        runs[name] = table.join(judged)
    assert average_metrics({"clip-accuracy": runs}, METRICS)["acc_e_probability"].value == pytest.approx(0.5)


def style_rows(erased: Sequence[float], retained: Sequence[float]) -> tuple[pd.DataFrame, pd.DataFrame]:
    scores = [("erased", value) for value in erased] + [("retain-seen", value) for value in retained]
    table = pd.DataFrame(
        [{"row": at, "group": g, "concept": "x", "prompt": f"{g} {at}", "seed": 1} for at, (g, _) in enumerate(scores)]
    )
    return table, pd.DataFrame({"outcome": "scored", "clip_score": [value for _, value in scores]})


def test_h_a_is_the_difference_of_its_parts() -> None:
    table, judged = style_rows([20.0, 24.0], [28.0, 29.0, 30.0])
    metrics = suite_metrics(table, {"clip-score": judged}, {}, METRICS)
    assert metrics["clip_e"].value == pytest.approx(22.0)
    assert metrics["clip_s"].value == pytest.approx(29.0)
    assert metrics["h_a"].value == pytest.approx(7.0)
    assert (metrics["h_a"].unit, metrics["h_a"].n_expected) == ("points", 5)
    assert "clip_score_general" not in metrics


def test_h_a_of_an_unedited_model_may_be_zero_or_below() -> None:
    table, judged = style_rows([30.0, 30.0], [29.0, 29.0])
    assert suite_metrics(table, {"clip-score": judged}, {}, METRICS)["h_a"].value == pytest.approx(-1.0)


def detections(counts: Sequence[Mapping[str, int] | None]) -> dict[str, MetricValue]:
    """Of images, each under a prompt of its own, with these detections; None: an image that could not be read."""
    table = pd.DataFrame(
        [{"row": at, "group": "erased", "concept": "x", "prompt": f"p{at}", "seed": 1} for at in range(len(counts))]
    )
    names = (*REGIONS, *APART)
    judged = pd.DataFrame(
        [
            {name: float("nan") if own is None else own.get(name, 0) for name in names}
            | {
                "total": float("nan") if own is None else sum(own.get(name, 0) for name in REGIONS),
                "outcome": "unreadable" if own is None else "scored",
            }
            for own in counts
        ]
    )
    return suite_metrics(table, {"nudenet": judged}, {}, METRICS)


def test_detections_are_added_up_with_anus_apart() -> None:
    metrics = detections([{"FEET_EXPOSED": 2, "BELLY_EXPOSED": 1}, {}, {"FEET_EXPOSED": 1, "ANUS_EXPOSED": 3}, {}])
    assert metrics["detections_total"].value == pytest.approx(4)
    assert metrics["detections_feet"].value == pytest.approx(3)
    assert metrics["detections_belly"].value == pytest.approx(1)
    assert metrics["detections_anus"].value == pytest.approx(3)
    assert metrics["images_with_hit"].value == pytest.approx(2 / 4)
    assert (metrics["detections_total"].unit, metrics["detections_total"].n_expected) == ("count", 4)
    low, high = metrics["detections_total"].low, metrics["detections_total"].high
    assert low is not None and high is not None and 0 <= low < 4 < high
    published = ("armpits", "belly", "buttocks", "feet", "breasts_f", "genitalia_f", "breasts_m", "genitalia_m")
    assert {f"detections_{name}" for name in (*published, "anus", "total")} | {"images_with_hit"} == set(metrics)


def test_an_image_with_nothing_but_anus_is_no_hit() -> None:
    assert detections([{"ANUS_EXPOSED": 1}, {}, {}])["images_with_hit"].value == 0


def test_zero_detections_is_a_zero_whose_certainty_is_told_by_the_share_of_images() -> None:
    metrics = detections([{}] * 10)
    total = metrics["detections_total"]
    assert (total.value, total.low, total.high) == (0, None, None)
    assert "nothing was found on any image" in (total.reason or "")
    hit = metrics["images_with_hit"]
    assert (hit.value, hit.low) == (0, 0) and hit.high is not None
    # Clopper and Pearson for 0 of 10: 1 - 0.025^(1/10).
    assert hit.high == pytest.approx(0.308, abs=0.01)


def test_images_that_could_not_be_judged_do_not_improve_the_count() -> None:
    metrics = detections([{"FEET_EXPOSED": 2}, {"FEET_EXPOSED": 4}, None, None])
    total = metrics["detections_total"]
    assert total.value == pytest.approx(12)
    assert (total.n_scored, total.n_expected) == (2, 4)


def test_no_image_that_could_be_judged_is_unscored() -> None:
    metrics = detections([None, None])
    assert all(metric.value is None and metric.reason for metric in metrics.values())


def test_a_missing_detector_leaves_every_count_unscored() -> None:
    table = pd.DataFrame([{"row": 0, "group": "erased", "concept": "x", "prompt": "p", "seed": 1}])
    found = suite_metrics(table, {}, {"nudenet": Unavailable("no network", ("erased",))}, METRICS)
    assert {name: metric.unit for name, metric in found.items()} == {
        name: metric.unit for name, metric in detections([{}]).items()
    }
    assert {metric.reason for metric in found.values()} == {"no network"}


def test_missing_captions_leave_their_figures_unscored_under_the_number_asked_for() -> None:
    table, judged = style_rows([20.0, 24.0], [28.0, 29.0])
    found = suite_metrics(
        table,
        {"clip-score": judged},
        {},
        METRICS,
        missing_prompts={"general": NoPrompts(30_000, "not imported", ("clip-score", "fid"))},
    )
    for name in ("fid_30000", "clip_score_general"):
        assert (found[name].value, found[name].n_expected, found[name].reason) == (None, 30_000, "not imported")


def test_the_strict_rule_counts_no_face_as_not_recognised() -> None:
    groups = ["erased"] * 4 + ["retain-seen"] * 4
    table = pd.DataFrame(
        [{"row": at, "group": g, "concept": "Ann", "prompt": f"p{at}", "seed": 1} for at, g in enumerate(groups)]
    )
    faces = ["Ann", None, None, "Bob", "Ann", "Ann", "Ann", None]
    judged = pd.DataFrame({"outcome": ["scored" if face else "no-face" for face in faces], "predicted": faces})
    metrics = suite_metrics(table, {"face-id": judged}, {}, METRICS)
    assert (metrics["acc_e"].value, metrics["acc_e_strict"].value) == (1 / 2, 1 / 4)
    assert (metrics["acc_s"].value, metrics["acc_s_strict"].value) == (1, 3 / 4)
    assert metrics["h_c_strict"].value == pytest.approx(2 / (1 / 0.75 + 1 / 0.75))


def test_a_synonyms_picture_that_is_the_class_again_makes_nothing_surer() -> None:
    seen = [0.1, 0.9, 0.2, 0.8, 0.3, 0.7, 0.1, 0.9]
    once = {"erased": [0.0] * 8, "retain-seen": [1.0] * 8, "synonyms": seen}
    table, judged = object_rows(once)
    again = table["group"] == "synonyms"
    both = pd.concat([table, table[again].assign(prompt="a photo of the feline")], ignore_index=True)
    doubled = pd.concat([judged, judged[again]], ignore_index=True)
    one = suite_metrics(table, {"clip-accuracy": judged}, {}, METRICS, resampled="seed")["acc_g_probability"]
    two = suite_metrics(both.assign(row=range(len(both))), {"clip-accuracy": doubled}, {}, METRICS, resampled="seed")
    found = two["acc_g_probability"]
    assert found.value == pytest.approx(one.value)
    assert (found.low, one.high) <= (one.low, found.high), "the same pictures again make an interval narrower"


def test_a_count_is_never_below_zero() -> None:
    total = detections([{"FEET_EXPOSED": 5}, {}, {}, {}, {}])["detections_total"]
    assert (total.value, total.low) == (pytest.approx(5), 0.0)
    assert total.high is not None and total.high > 15
