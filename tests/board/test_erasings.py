"""What the board says of one erasing, of several, and of methods that give the same edit under every seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from erasebench.api.value import MetricValue
from erasebench.board import write_board
from erasebench.board.cells import metric_cell
from erasebench.board.groups import without_repeats
from erasebench.board.pairs import paired_difference
from erasebench.board.short import terminal_table
from erasebench.identity import digest
from erasebench.metrics.columns import Column
from erasebench.results.record import Record, Repeat
from tests.board.test_pairs import made
from tests.sample_records import record

UNEDITED = record("original")


def repeat(seed: int, erasure: str, method: str = "mace") -> Repeat:
    return Repeat(seed=seed, identity=digest([seed, method]), erasure=digest(erasure), metrics={})


def several(method: str, *edits: str, **changes: Any) -> Record:
    repeats = tuple(repeat(seed, edit, method) for seed, edit in enumerate(edits))
    return record(method, repeats=repeats, identity=digest([method, *edits]), **changes)


def test_the_spread_stands_behind_the_interval() -> None:
    metric = MetricValue(value=0.3, low=0.2, high=0.4, spread=0.051, n_scored=9, n_expected=10, unit="fraction")
    column = Column(key="a", title="A", scale=100, meaning="a share.")
    assert metric_cell(metric, column) == "30.0 [20.0, 40.0], SD 5.1, 9 of 10"


def test_one_erasing_is_marked_and_several_are_named(tmp_path: Path) -> None:
    shown = (UNEDITED, record("mace"), several("esd-x", "a", "b", "c"), several("uce", "a", "a"))
    for one in shown:
        one.write(tmp_path / "results")
    page = write_board(tmp_path).read_text()
    assert "One erasing: mace. Intervals cover variation between prompts, not between training runs" in page
    assert "One erasing: mace." in (tmp_path / "index.html").read_text()
    assert "One erasing: mace." in terminal_table(shown)
    assert "esd-x (3 erasings)" in page and "uce (same under every seed)" in page
    assert page.count("- **n erasings**: ") == 1


def test_a_board_of_single_erasings_explains_no_others(tmp_path: Path) -> None:
    for one in (UNEDITED, record("mace")):
        one.write(tmp_path / "results")
    assert "n erasings" not in write_board(tmp_path).read_text()


def test_erasings_that_are_among_more_are_not_shown_twice() -> None:
    single = record("mace", identity=digest([0, "mace"]))
    two, three = several("mace", "a", "b"), several("mace", "a", "b", "c")
    other = record("mace", identity=digest("another seed"))
    assert without_repeats([single, two, three, other]) == [three, other]


@pytest.mark.parametrize("spread", [0.05, 0.2])
def test_a_difference_from_the_best_holds_the_luck_of_training(spread: float) -> None:
    best, worse = made("mace", 0.9), made("uce", 0.75)
    alone = paired_difference(worse, best)
    h_c = worse.metrics["h_c"].model_copy(update={"spread": spread})
    repeats = tuple(repeat(seed, str(seed)) for seed in range(3))
    worse = worse.model_copy(update={"metrics": worse.metrics | {"h_c": h_c}, "repeats": repeats})
    both = paired_difference(worse, best)
    assert alone is not None and both is not None
    assert None not in (alone.low, alone.high, both.low, both.high)
    assert both.value == pytest.approx(alone.value, abs=1e-6)
    assert both.high - both.low > alone.high - alone.low + spread  # type: ignore[operator]


def test_intervals_by_the_former_rule_are_marked(tmp_path: Path) -> None:
    for each in (record("mace"), record("uce", intervals="closed form"), record("esd-x", intervals="closed form")):
        each.write(tmp_path / "results")
    page = write_board(tmp_path).read_text(encoding="utf-8")
    assert "mace: intervals by the former rule, a bootstrap" in page


def test_intervals_by_todays_rule_need_no_mark(tmp_path: Path) -> None:
    for each in (record("mace", intervals="closed form"), record("uce", intervals="closed form")):
        each.write(tmp_path / "results")
    assert "former rule" not in write_board(tmp_path).read_text(encoding="utf-8")


def test_a_record_hides_no_other_methods_erasing_and_none_where_it_failed() -> None:
    single = record("uce", identity=digest([0, "mace"]))
    three = several("mace", "a", "b", "c")
    assert without_repeats([single, three]) == [single, three]
    failed = several("uce", "a", "b", "c", status="failed", error="no").model_copy(update={"repeats": three.repeats})
    assert without_repeats([single, failed]) == [single, failed]
