from __future__ import annotations

import pytest

from erasebench.errors import UserError, did_you_mean


def test_a_user_error_is_two_lines() -> None:
    assert str(UserError("There is no x.", "Give y.")).splitlines() == ["There is no x.", "Give y."]


@pytest.mark.parametrize("name", ["mac", "MACE", "maace"])
def test_the_nearest_name_is_suggested(name: str) -> None:
    assert did_you_mean(name, ["original", "mace"]) == "Did you mean 'mace'? Available: mace, original."


def test_nothing_is_suggested_for_a_name_like_none() -> None:
    assert did_you_mean("zzz", ["mace"]) == "Available: mace."
    assert did_you_mean("zzz", []) == "Available: none."


def test_a_long_list_is_cut() -> None:
    assert did_you_mean("zzz", [f"n{index:02}" for index in range(30)]).endswith("n19 and 10 more.")
