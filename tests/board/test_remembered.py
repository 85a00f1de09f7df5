"""Differences of pairs are computed once and then read from the user's cache, which can be lost at any time."""

from __future__ import annotations

from pathlib import Path

import pytest

from erasebench.api.value import Pairing, Tally
from erasebench.board.remembered import Differences, differences, key_of
from tests.sample_records import fraction


def pairing(sums: str, scale: float = 1.0) -> Pairing:
    return Pairing(formula="mean", scale=scale, parts={"mean": Tally(fraction=True, by_cluster=sums)})


def test_what_was_put_is_there_the_next_time(tmp_path: Path) -> None:
    known = Differences(tmp_path / "d.json")
    known.put("a", fraction(0.5))
    known.keep()
    assert Differences(tmp_path / "d.json").get("a") == fraction(0.5)
    assert known.get("b") is None


@pytest.mark.parametrize("damage", ["", "[1]", '{"a": 1}', '{"a": {"value": 2}}', "[" * 100_000])
def test_a_damaged_cache_costs_time_alone(tmp_path: Path, damage: str) -> None:
    (tmp_path / "d.json").write_text(damage)
    assert Differences(tmp_path / "d.json").get("a") is None


def test_the_key_is_all_that_decides() -> None:
    one, other = pairing("0:1/2 1:2/2"), pairing("0:1/2 1:1/2")
    keys = {key_of(one, other, "fraction"), key_of(other, one, "fraction"), key_of(one, other, "points")}
    keys |= {key_of(one, one, "fraction"), key_of(pairing("0:1/2 1:2/2", 2.0), other, "fraction")}
    assert len(keys) == 5
    assert differences().file.parent.name == "board"
