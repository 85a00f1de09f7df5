"""The primary metric against the best, in pairs: distinguished or marked, and honest where there are no pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from erasebench.api.value import Pairing
from erasebench.board import write_board
from erasebench.board.groups import groups
from erasebench.board.pairs import BEST, NOT_DISTINGUISHED, NOT_PAIRED, difference_cells, paired_difference
from erasebench.metrics.composites import h_c
from erasebench.metrics.statistics import Sample
from erasebench.results.record import Record
from tests.board.test_board import table_after
from tests.sample_records import metrics, record, unscored

PROMPTS = 60
HARD = np.random.default_rng(0).random(PROMPTS)
"""How hard each retained prompt is, for every method."""


def pairing(skill: float, prompts: int = PROMPTS) -> Pairing:
    """Erased people are seen on two prompts of ten; retained ones where `skill` exceeds the prompt's hardness."""
    erased = Sample([1.0, 1.0] + [0.0] * 8, [f"e{i}" for i in range(10)], fraction=True)
    right = (HARD[:prompts] < skill).astype(float)
    retained = Sample(right, [f"s{i}" for i in range(prompts)], fraction=True)
    numbers = {label: n for n, label in enumerate([*erased.labels, *retained.labels])}
    return Pairing(formula="h_c", parts={"acc_e": erased.tally(numbers), "acc_s": retained.tally(numbers)})


def made(method: str, skill: float, kept: Pairing | None = None) -> Record:
    acc_s = float((skill > HARD).mean())
    return record(method, metrics=metrics(0.2, acc_s, h_c(acc_e=0.2, acc_s=acc_s)), pairing=kept or pairing(skill))


def bare(method: str, skill: float) -> Record:
    return made(method, skill).model_copy(update={"pairing": None})


UNEDITED = record("original", metrics=metrics(0.97, 0.98, 0.058))


def cells(*records: Record) -> dict[str, str] | None:
    (group,) = groups(records)
    found = difference_cells(group)
    return None if found is None else dict(zip(group.labels, found, strict=True))


def test_the_best_is_named_and_the_others_stand_against_it() -> None:
    found = cells(UNEDITED, made("mace", 0.9), made("uce", 0.88), made("esd-x", 0.3))
    assert found is not None
    assert (found["mace"], found["original (unedited)"]) == (BEST, "does not compete")
    assert found["uce"].endswith(NOT_DISTINGUISHED)
    assert found["esd-x"].startswith("-") and not found["esd-x"].endswith(NOT_DISTINGUISHED)


def test_a_pair_tells_apart_what_two_intervals_do_not() -> None:
    better, worse = made("mace", 0.9), made("uce", 0.75)
    difference = paired_difference(worse, better)
    assert difference is not None and difference.value is not None and difference.high is not None
    headlines = [made.metrics["h_c"].value for made in (worse, better)]
    assert difference.value == pytest.approx(headlines[0] - headlines[1], abs=1e-6)  # type: ignore[operator]
    assert difference.high < 0


def test_equal_rows_are_equal() -> None:
    difference = paired_difference(made("uce", 0.8), made("mace", 0.8))
    assert difference is not None
    assert (difference.low, difference.value, difference.high) == (0.0, 0.0, 0.0)
    found = cells(made("uce", 0.8), made("mace", 0.8))
    assert found == {"mace": BEST, "uce": f"0.0 [0.0, 0.0] {NOT_DISTINGUISHED}"}


def test_a_count_is_scaled_to_its_total() -> None:
    def counted(method: str, each: float) -> Record:
        sample = Sample([each, each + 1.0, each + 3.0], list("abc"), fraction=False)
        kept = Pairing(formula="mean", scale=6.0, parts={"mean": sample.tally({"a": 0, "b": 1, "c": 2})})
        return made(method, 0.5, kept)

    difference = paired_difference(counted("uce", 2.0), counted("mace", 0.5))
    assert difference is not None
    assert (difference.low, difference.value, difference.high) == pytest.approx((9.0, 9.0, 9.0))


@pytest.mark.parametrize("other", [bare("uce", 0.5), made("uce", 0.5, pairing(0.5, PROMPTS - 1))], ids=["old", "rows"])
def test_records_that_make_no_pair_say_so(other: Record) -> None:
    assert paired_difference(other, made("mace", 0.9)) is None
    assert cells(made("mace", 0.9), other) is None
    assert cells(made("mace", 0.9), made("esd-x", 0.4), other) is not None
    assert (cells(made("mace", 0.9), made("esd-x", 0.4), other) or {})["uce"] == NOT_PAIRED


def test_a_pair_that_gives_no_figure_is_said_and_takes_nothing_down(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("an interval is no number")

    monkeypatch.setattr("erasebench.board.pairs._difference", broken)
    kept = Pairing(formula="mean", parts={"mean": Sample([0.3, 0.31], [0, 1], fraction=True).tally({0: 0, 1: 1})})
    best, other = made("mace", 0.9, kept), made("uce", 0.3, kept)
    for one in (best, other):
        one.write(tmp_path / "results")
    assert NOT_PAIRED in write_board(tmp_path).read_text()
    assert f"{other.id} cannot be compared with {best.id} in pairs: ValueError: an interval is no number" in caplog.text


def test_equal_shares_of_every_prompt_are_compared() -> None:
    def flat(method: str, share: float) -> Record:
        sample = Sample([share] * 10, range(10), fraction=True)
        kept = Pairing(formula="mean", parts={"mean": sample.tally({n: n for n in range(10)})})
        return made(method, 0.5, kept)

    difference = paired_difference(flat("uce", 0.3), flat("mace", 0.1))
    assert difference is not None and difference.high is not None and difference.value == pytest.approx(0.2)
    assert difference.high == pytest.approx(0.2, abs=1e-4)


def test_one_method_alone_has_nothing_to_stand_against() -> None:
    assert cells(UNEDITED, made("mace", 0.9)) is None
    noise = made("noise", 0.9).model_copy(update={"metrics": metrics(0, 0, 0) | {"h_c": unscored("no face")}})
    assert cells(UNEDITED, made("mace", 0.9), noise) is None
    assert (cells(made("mace", 0.9), made("uce", 0.8), noise) or {})["noise"] == "unscored"


def test_the_column_stands_after_the_headline_and_is_explained(tmp_path: Path) -> None:
    shown = (UNEDITED, made("mace", 0.9), made("uce", 0.3))
    for one in shown:
        one.write(tmp_path / "results")
    text = write_board(tmp_path).read_text()
    header = next(line for line in text.splitlines() if line.startswith("| method"))
    names = [name.strip() for name in header.strip("|").split("|")]
    assert names[names.index("H_c, % ↑") + 1] == "H_c less the best's, %"
    assert "- **less the best's**: " in text
    assert {row[0]: row[names.index("H_c, % ↑") + 1] for row in table_after(text, "### ")[1:]} == {
        "original (unedited)": "does not compete",
        "mace": "best",
        "uce": (cells(*shown) or {})["uce"],
    }


def test_a_board_without_pairs_explains_none(tmp_path: Path) -> None:
    for one in (UNEDITED, bare("mace", 0.9), bare("uce", 0.3)):
        one.write(tmp_path / "results")
    assert "less the best's" not in write_board(tmp_path).read_text()
