from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from erasebench.api.value import MetricValue
from erasebench.metrics.composites import FORMULAS, h_c
from erasebench.metrics.statistics import Sample, composite_value, difference_value, mean_value
from erasebench.metrics.statistics.intervals import Limits


def bounds(metric: MetricValue) -> tuple[float, float]:
    assert metric.low is not None
    assert metric.high is not None
    return metric.low, metric.high


def width(metric: MetricValue) -> float:
    low, high = bounds(metric)
    return high - low


def alike(rng: np.random.Generator, prompts: int, seeds: int) -> NDArray[np.float64]:
    """Right or wrong for each image, [prompts x seeds], with a chance of its own for each prompt (mean 0.5)."""
    chance = rng.beta(1.0, 1.0, size=(prompts, 1))
    return (rng.random((prompts, seeds)) < chance).astype(np.float64).ravel()


def labels(prompts: int, seeds: int, name: str = "prompt") -> list[str]:
    return [f"{name} {i}" for i in range(prompts) for _ in range(seeds)]


@pytest.mark.parametrize(("prompts", "seeds"), [(8, 20), (40, 8)])
def test_intervals_cover_the_truth_as_often_as_they_say(prompts: int, seeds: int) -> None:
    rng = np.random.default_rng(7)
    covered = naive = 0
    for _ in range(200):
        values = alike(rng, prompts, seeds)
        low, high = bounds(mean_value(Sample(values, labels(prompts, seeds), fraction=True), unit="fraction"))
        covered += low <= 0.5 <= high
        low, high = bounds(mean_value(Sample(values, range(len(values)), fraction=True), unit="fraction"))
        naive += low <= 0.5 <= high
    # 200 trials at 95% stray by 1.5% (one standard deviation); images taken as independent cover far less.
    assert 0.91 <= covered / 200 <= 0.99
    assert naive < covered - 10


def test_seeds_of_one_prompt_do_not_count_as_evidence_of_their_own() -> None:
    once = mean_value(Sample([1.0, 0.0] * 10, labels(20, 1), fraction=True), unit="fraction")
    copied = mean_value(Sample(np.repeat([1.0, 0.0] * 10, 50), labels(20, 50), fraction=True), unit="fraction")
    assert copied.value == once.value == 0.5
    # Copies are worth nothing; what remains is that single images are known to be independent, and these are not.
    assert bounds(copied) == pytest.approx(bounds(once), abs=0.02)
    assert width(copied) >= width(once)


def test_the_same_values_give_the_same_figure_in_any_order() -> None:
    values, prompts = alike(np.random.default_rng(1), 30, 3), np.array(labels(30, 3))
    first = mean_value(Sample(values, prompts, fraction=True), unit="fraction")
    shuffled = np.random.default_rng(2).permutation(90)
    assert mean_value(Sample(values[shuffled], prompts[shuffled], fraction=True), unit="fraction") == first


def test_a_plain_mean_has_the_interval_of_theory() -> None:
    values = np.random.default_rng(3).normal(31.0, 2.0, 400)
    low, high = bounds(mean_value(Sample(values, range(400), fraction=False), unit="points"))
    margin = 1.966 * values.std(ddof=1) / 20
    assert (low, high) == pytest.approx((values.mean() - margin, values.mean() + margin), abs=0.02)


def test_images_that_could_not_be_scored_leave_the_mean_but_not_the_count() -> None:
    metric = mean_value(Sample([1.0, np.nan, 0.0, 1.0], labels(4, 1), fraction=True, expected=6), unit="fraction")
    assert metric.value == pytest.approx(2 / 3)
    assert (metric.n_scored, metric.n_expected) == (3, 6)


def test_nothing_scored_is_unscored_with_the_reason_and_never_a_number() -> None:
    for values in ([], [np.nan] * 4):
        metric = mean_value(
            Sample(values, labels(len(values), 1), fraction=True, expected=4, unscored="no face in any image"),
            unit="fraction",
        )
        assert metric.value is None
        assert (metric.n_scored, metric.n_expected, metric.reason) == (0, 4, "no face in any image")


def test_one_prompt_has_a_value_but_no_interval_and_says_so() -> None:
    metric = mean_value(Sample([1.0, 0.0, 1.0, 1.0], labels(1, 4), fraction=True), unit="fraction")
    assert (metric.value, metric.low, metric.high, metric.reason) == (0.75, None, None, "one prompt only")


def test_so_few_scored_prompts_that_redraws_come_out_empty_give_no_interval() -> None:
    values = [0.2, 0.6] + [np.nan] * 58
    metric = mean_value(Sample(values, labels(60, 1), fraction=True), unit="fraction")
    assert metric.value == pytest.approx(0.4)
    assert (metric.low, metric.reason) == (None, "too few prompts could be scored")


def test_a_perfect_score_is_not_a_certain_one() -> None:
    # Clopper and Pearson: 0 of 50 has the two-sided 95% upper bound 1 - 0.025^(1/50).
    bound = 1 - 0.025 ** (1 / 50)
    none = mean_value(Sample(np.zeros(100), labels(50, 2), fraction=True), unit="fraction")
    every = mean_value(Sample(np.ones(100), labels(50, 2), fraction=True), unit="fraction")
    assert (none.value, none.low) == (0.0, 0.0)
    assert none.high == pytest.approx(bound, rel=0.01)
    assert (every.value, every.high) == (1.0, 1.0)
    assert every.low == pytest.approx(1 - bound, rel=0.01)


def test_a_composite_is_computed_from_its_parts_and_resampled_with_them() -> None:
    rng = np.random.default_rng(5)
    erased = Sample(alike(rng, 50, 2) * 0.0, labels(50, 2, "erased"), fraction=True)
    retained = Sample(alike(rng, 300, 1), labels(300, 1, "retained"), fraction=True)
    metric = composite_value({"acc_e": erased, "acc_s": retained}, h_c, unit="fraction")
    assert metric.value == pytest.approx(h_c(acc_e=0.0, acc_s=retained.mean))
    assert (metric.n_scored, metric.n_expected) == (400, 400)
    low, high = bounds(metric)
    alone = bounds(mean_value(retained, unit="fraction"))
    assert low < h_c(acc_e=0.0, acc_s=alone[0]) + 0.01
    assert high == pytest.approx(h_c(acc_e=0.0, acc_s=alone[1]), abs=0.02)


def test_a_composite_names_the_part_that_could_not_be_scored() -> None:
    parts = {
        "acc_e": Sample([np.nan, np.nan], labels(2, 1), fraction=True, unscored="no face in any image"),
        "acc_s": Sample([1.0, 0.0], labels(2, 1), fraction=True),
    }
    metric = composite_value(parts, h_c, unit="fraction")
    assert (metric.value, metric.reason) == (None, "acc_e: no face in any image")
    assert (metric.n_scored, metric.n_expected) == (2, 4)


def test_parts_on_the_same_prompts_are_resampled_together() -> None:
    values = alike(np.random.default_rng(6), 40, 2)
    same = {"a": Sample(values, labels(40, 2), fraction=True), "b": Sample(values, labels(40, 2), fraction=True)}
    together = composite_value(same, lambda a, b: a - b, unit="fraction")
    assert bounds(together) == pytest.approx((0.0, 0.0), abs=1e-4)
    apart = {"a": same["a"], "b": Sample(values, labels(40, 2, "other"), fraction=True)}
    assert width(composite_value(apart, lambda a, b: a - b, unit="fraction")) > 0.2


def test_a_paired_difference_tells_apart_what_two_intervals_do_not() -> None:
    rng = np.random.default_rng(8)
    hard = rng.normal(30.0, 4.0, 100)
    first = Sample(hard + 0.5 + rng.normal(0, 0.3, 100), labels(100, 1), fraction=False)
    second = Sample(hard, labels(100, 1), fraction=False)
    assert bounds(mean_value(first, unit="points"))[0] < bounds(mean_value(second, unit="points"))[1]
    low, high = bounds(difference_value({"mean": first}, {"mean": second}, FORMULAS["mean"], unit="points"))
    assert 0.4 < low < high < 0.6


def test_a_paired_difference_needs_the_same_prompts() -> None:
    one, other = (Sample([1.0, 0.0], labels(2, 1, name), fraction=True) for name in ("one", "other"))
    for second in ({"mean": other}, {"other": one}):
        with pytest.raises(ValueError, match="same parts and prompts"):
            difference_value({"mean": one}, second, FORMULAS["mean"], unit="fraction")


def test_a_paired_difference_of_a_composite_is_resampled_part_by_part() -> None:
    rng = np.random.default_rng(9)
    chance = rng.random(200)
    retained = [Sample(chance < skill, labels(200, 1, "s"), fraction=True) for skill in (0.8, 0.75)]
    erased = [Sample([0.0, 1.0] * 25, labels(50, 1, "e"), fraction=True) for _ in retained]
    ours, theirs = ({"acc_e": e, "acc_s": s} for e, s in zip(erased, retained, strict=True))
    metric = difference_value(ours, theirs, h_c, unit="fraction")
    whole = [h_c(acc_e=0.5, acc_s=sample.mean) for sample in retained]
    assert metric.value == pytest.approx(whole[0] - whole[1])
    low, high = bounds(metric)
    assert 0 < low < high < 0.05
    # Each method's own interval is several times as wide.
    assert width(composite_value(ours, h_c, unit="fraction")) > 4 * (high - low)


def test_a_sample_comes_back_from_its_tally() -> None:
    sample = Sample([1.0, np.nan, 0.25, -2.5, np.nan], ["b", "b", "a", "a", "c"], fraction=False)
    tally = sample.tally({"a": 0, "b": 1, "c": 2})
    assert tally.by_cluster == "0:-2.25/2 1:1/1 2:0/0"
    back = Sample.from_tally(tally)
    assert (back.labels, back.mean, back.n_scored, back.fraction) == ([0, 1, 2], sample.mean, 3, False)


def test_values_and_prompts_have_to_match() -> None:
    with pytest.raises(ValueError, match="as many prompts"):
        Sample([1.0, 0.0], labels(3, 1), fraction=True)


@pytest.mark.parametrize("value", [1e-12, 0.1, 0.3, 0.5, 0.9999999])
@pytest.mark.parametrize("prompts", [2, 4, 8, 10, 200, 3000])
@pytest.mark.parametrize("vary", [0.0, 1e-8])
def test_shares_that_hardly_vary_have_a_narrow_interval(value: float, prompts: int, vary: float) -> None:
    """Mean probabilities of a model that gives one picture for every prompt; sizes and values that gave NaN once."""
    values = value * (1.0 - vary * np.arange(prompts) / prompts)
    low, high = bounds(mean_value(Sample(values, range(prompts), fraction=True), unit="fraction"))
    assert 0.0 <= low < values.mean() < high <= 1.0
    assert high - low < 1e-4


def test_an_interval_that_is_no_number_is_said_and_never_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = Limits(*(np.array(end) for end in (0.5, np.nan, np.nan)))
    monkeypatch.setattr("erasebench.metrics.statistics.values.mean_limits", lambda *_, **__: nothing)
    metric = mean_value(Sample([1.0, 0.0] * 4, labels(8, 1), fraction=True), unit="fraction")
    assert (metric.value, metric.low, metric.reason) == (0.5, None, "the interval is not a finite number")
