"""Cells that a spreadsheet would run are written as text, and read back as they were."""

from __future__ import annotations

import csv
import io

import pytest

from erasebench.files.csv_cells import original_cell, safe_cell

FORMULAS = ("=1+1", "+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "'=1", "''-x", "\uff1d1", '=HYPERLINK("x","y")')
PLAIN = ("a cat", "", "'", "'a cat'", "it's = fine", "1=1", " =1", "a\n=1")


@pytest.mark.parametrize("text", [*FORMULAS, *PLAIN])
def test_what_is_written_is_what_is_read(text: str) -> None:
    handle = io.StringIO(newline="")
    csv.writer(handle).writerow([safe_cell(text), "next"])
    (cells,) = csv.reader(io.StringIO(handle.getvalue(), newline=""))
    assert [original_cell(cell) for cell in cells] == [text, "next"]
    assert cells[0][:1] not in tuple("=+-@\t\r\n\uff1d")


def test_only_text_that_a_spreadsheet_would_run_is_changed() -> None:
    assert [safe_cell(text) for text in FORMULAS] == [f"'{text}" for text in FORMULAS]
    assert [safe_cell(text) for text in PLAIN] == list(PLAIN)
    assert [safe_cell(value) for value in (-1, -0.5, None, True)] == [-1, -0.5, None, True]
