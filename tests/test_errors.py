from __future__ import annotations

import pytest

from erasebench.errors import UserError, did_you_mean, nearest


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


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("mase", "mace"),
        ("celebrety", "celebrity"),
        ("stlye", "style"),
        ("uec", "uce"),
        ("Tom Hank", "Tom Hanks"),
        ("learning-rate", "learning_rate"),
        ("i2p", "i2p-rows"),
        ("gpu", None),
        ("Taylor Swift", None),
        ("esd-u", None),
        ("no", None),
    ],
)
def test_a_name_is_offered_only_where_it_is_near(name: str, near: str | None) -> None:
    known = [
        "mace",
        "uce",
        "cpu",
        "celebrity",
        "style",
        "Tom Hanks",
        "Abel Winford",
        "learning_rate",
        "i2p-rows",
        "esd-x",
    ]
    assert nearest(name, known) == near
    assert ("Did you mean" in did_you_mean(name, known)) == (near is not None)
