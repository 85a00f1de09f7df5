"""The table of a terminal: 80 columns, what was run just now first."""

from __future__ import annotations

from pathlib import Path

from erasebench.board import write_board
from erasebench.board.short import INCOMPLETE, terminal_table
from erasebench.results.record import Record
from tests.board.test_board import records, table_after
from tests.sample_records import metrics, record, unscored


def test_a_line_for_each_method_in_80_columns() -> None:
    text = terminal_table(records())
    assert text.splitlines()[0] == "celebrity on miniature: 3 concepts, small size"
    assert "celebrity on miniature: 3 concepts, small size, partial run" in text.splitlines()
    header, _, first, second, third = text.splitlines()[2:7]
    assert header.index("H_c, % ↑") < header.index("Acc_e, % ↓") < header.index("Acc_s")
    assert first.startswith("original (unedited)  5.8 [2.8, 8.8] ")
    assert second.startswith("mace                 94.5 [91.5, 97.5] ") and "4.0 [1.0, 7.0]*" in second
    assert third.startswith("uce ")
    assert INCOMPLETE in text and "esd-x" not in text and "**" not in text and "\\" not in text
    assert max(map(len, text.splitlines())) <= 80
    whole = " ".join(text.split())
    assert "Ranked by H_c, % ↑ after the unedited model." in whole
    # Shown are three of the columns that the records have: Acc_e, Acc_s and H_c, FID-mini N, CLIP score.
    assert "The board has 2 more columns." in whole


def test_why_there_is_no_interval_is_said() -> None:
    lone = metrics(0.5, 0.5, 0.5)
    lone["h_c"] = lone["h_c"].model_copy(update={"low": None, "high": None, "reason": "Acc_e: one prompt"})
    text = " ".join(terminal_table([record("mace", metrics=lone), record("uce")]).split())
    assert "H_c of mace has no interval: Acc_e: one prompt" in text


def test_long_names_and_many_figures_still_fit() -> None:
    long = record("a-method-with-a-name-of-its-own-and-more", variant="no prior preservation at all")
    text = terminal_table(
        [long, record("x" * 80, scale="golf ball " * 20), record(metrics={"h_c": unscored("n" * 300)})]
    )
    assert max(map(len, text.splitlines())) <= 80
    assert "unscored" in text and "nnn" not in text


def test_what_was_run_just_now_comes_first_and_alone_with_its_table() -> None:
    mine = record("mine", metrics=metrics(0.5, 0.5, 0.5))
    other = record("mace", scale=5)
    text = terminal_table([*records(), mine, other], yours=(mine.id,))
    assert text.splitlines()[4].startswith("mine (yours) ")
    assert "5 concepts" not in text
    assert text.count("(yours)") == 1


def written(folder: Path, *made: Record) -> Path:
    for one in made:
        one.write(folder / "results")
    return folder


def test_the_page_shows_this_run_first(tmp_path: Path) -> None:
    mine = record("mine", suite="style", metrics=metrics(0.5, 0.5, 0.5))
    out = written(tmp_path, *records(), mine, record("mace", suite="style"))
    text = write_board(out, (mine.id,)).read_text()
    assert text.index("## This run") < text.index("## celebrity") < text.index("## style")
    short = table_after(text, "## This run")
    assert [row[0] for row in short] == ["method", "mine (yours)", "mace"]
    assert short[0][1] == "H_c, % ↑"
    style = table_after(text[text.index("## style") :], "### miniature: 3 concepts, small size")
    assert [row[0] for row in style] == ["method", "mace", "mine (yours)"]
    assert "(yours)" in (out / "index.html").read_text()
    assert "This run" not in write_board(out).read_text()


def test_a_run_that_failed_has_no_table_of_its_own(tmp_path: Path) -> None:
    failed = record("mine", status="failed", error="no", metrics={})
    text = write_board(written(tmp_path, *records(), failed), (failed.id,)).read_text()
    assert "## This run" not in text and "| mine " in text
