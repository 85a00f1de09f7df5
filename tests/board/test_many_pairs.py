"""Many differences at once are those of one by one, bit for bit."""

from __future__ import annotations

from pathlib import Path

import pytest

from erasebench.api.value import Pairing
from erasebench.board.groups import groups
from erasebench.board.many_pairs import differences_from
from erasebench.board.pairs import _competing, _difference, _pairs
from erasebench.results.record import Record
from tests.board.test_pairs import pairing

LEADERBOARD = Path(__file__).parents[2] / "leaderboard" / "results"


def test_the_boards_own_differences_are_the_same_computed_together() -> None:
    records = [Record.read(path) for path in sorted(LEADERBOARD.glob("*.json"))]
    compared = 0
    for group in groups(record for record in records if record.status == "done" and not record.partial):
        if not (competing := _competing(group)):
            continue
        best, *others = competing
        unit = best.metrics[best.table.primary_metric].unit
        pairs = [record.pairing for record in others if record.pairing and _pairs(record, best)]
        if best.pairing is None or not pairs:
            continue
        found = differences_from(pairs, best.pairing, unit)
        assert found == {at: _difference(pairs[at], best.pairing, unit) for at in found}
        compared += len(found)
    assert compared > 80


def test_a_part_of_few_prompts_is_left_to_one_by_one() -> None:
    few = pairing(0.5, prompts=3)
    assert differences_from([few], few, "fraction") == {}
    many: list[Pairing] = [pairing(0.5), pairing(0.9)]
    assert list(differences_from(many, pairing(0.7), "fraction")) == [0, 1]


@pytest.mark.parametrize("skill", [0.0, 1.0])
def test_the_ends_of_the_scale_have_the_same_interval(skill: float) -> None:
    ours, best = pairing(skill), pairing(0.5)
    assert differences_from([ours], best, "fraction") == {0: _difference(ours, best, "fraction")}
