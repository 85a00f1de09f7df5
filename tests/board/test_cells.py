from __future__ import annotations

from erasebench.api.value import MetricValue
from erasebench.board.cells import clearly_best, memory_cell, metric_cell, seconds_cell
from erasebench.metrics.columns import Column
from tests.sample_records import distance, fraction, unscored

UP = Column(key="h_c", title="H_c", direction="up", scale=100, meaning="m")
DOWN = Column(key="acc_e", title="Acc_e", direction="down", scale=100, meaning="m")
PLAIN = Column(key="no_face", title="No face", meaning="m")


def test_a_value_stands_with_its_interval() -> None:
    assert metric_cell(fraction(0.04), DOWN) == "4.0 [1.0, 7.0]"


def test_missing_images_are_told() -> None:
    assert metric_cell(fraction(0.04, scored=96), DOWN) == "4.0 [1.0, 7.0], 96 of 100"


def test_unscored_and_not_measured_are_values_of_their_own() -> None:
    assert metric_cell(unscored("no face in any image"), DOWN) == "unscored (no face in any image)"
    assert metric_cell(None, DOWN) == "not measured"


def test_a_value_without_interval_stands_alone_and_no_zero_is_negative() -> None:
    fid = Column(key="fid", title="FID", decimals=2, meaning="m")
    assert metric_cell(distance(12.345), fid) == "12.35"
    assert metric_cell(distance(-0.0001), fid) == "0.00"


def test_best_is_what_no_other_interval_reaches() -> None:
    assert clearly_best([fraction(0.90), fraction(0.80), fraction(0.70)], UP) == 0
    assert clearly_best([fraction(0.90), fraction(0.80), fraction(0.70)], DOWN) == 2


def test_overlapping_intervals_leave_nobody_best() -> None:
    assert clearly_best([fraction(0.90), fraction(0.86), fraction(0.10)], UP) is None
    wide = MetricValue(value=0.5, low=0.1, high=0.95, n_scored=9, n_expected=9, unit="fraction")
    assert clearly_best([fraction(0.90), fraction(0.80), wide], UP) is None


def test_best_needs_a_rival_an_interval_and_a_direction() -> None:
    assert clearly_best([fraction(0.9), None, unscored("nothing")], UP) is None
    assert clearly_best([distance(3.0), fraction(0.5)], DOWN) is None
    assert clearly_best([fraction(0.9), fraction(0.1)], PLAIN) is None
    assert clearly_best([unscored("nothing"), fraction(0.9), fraction(0.1)], UP) == 1


def test_costs_read_at_a_glance() -> None:
    assert (seconds_cell(8.44), seconds_cell(1234.5), memory_cell(2_345_000_000)) == ("8.4", "1,234", "2.3")
    assert memory_cell(None) == "not measured"
