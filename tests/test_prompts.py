"""Our CSV dialect: written byte for byte, read back, and every mistake named by file, line, column and value."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from erasebench.errors import UserError
from erasebench.prompts import PromptRow, PromptTable, read_csv

TABLE = PromptTable(
    (
        PromptRow(0, "erased", "Ann Ash", "A portrait of Ann Ash", 1),
        PromptRow(1, "retain-heldout", "Bob Bell", "A sketch of Bob Bell", 2**63 - 1),
        PromptRow(2, "general", "", 'a "red" ball, on a table', 17),
    )
)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "table.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_survives_its_file(tmp_path: Path) -> None:
    TABLE.write_csv(tmp_path / "table.csv")
    assert read_csv(tmp_path / "table.csv") == TABLE
    assert (tmp_path / "table.csv").read_bytes() == (
        b"row,group,concept,prompt,seed\n0,erased,Ann Ash,A portrait of Ann Ash,1\n"
        b"1,retain-heldout,Bob Bell,A sketch of Bob Bell,9223372036854775807\n"
        b'2,general,,"a ""red"" ball, on a table",17\n'
    )


def test_prompt_and_seed_are_enough(tmp_path: Path) -> None:
    table = read_csv(written(tmp_path, "prompt,seed\na cat,1\na cat,2\n"))
    assert table.rows == (PromptRow(0, "general", "", "a cat", 1), PromptRow(1, "general", "", "a cat", 2))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prompt\na cat\n", "line 1: the column 'seed' is missing"),
        ("", "line 1: the column 'prompt' is missing"),
        ("prompt,sed,seed\na cat,1,1\n", "line 1: unknown column 'sed'"),
        ("prompt,seed\na cat,1\na dog,2\na cat,1\n", "line 4: the same row as line 2"),
        ("prompt,seed\na cat,1\n   ,2\n", "line 3, column 'prompt', value '   ': the prompt is empty"),
        ("prompt,seed\na cat,1.5\n", "line 2, column 'seed', value '1.5': not an integer"),
        ("prompt,seed\na cat,-1\n", "line 2, column 'seed', value '-1': not an integer"),
        ("prompt,seed\na cat,\n", "line 2, column 'seed', value ''"),
        ("prompt,seed\na cat,9223372036854775808\n", "not an integer from 0"),
        ("prompt,seed\na cat\n", "line 2: fewer fields than columns (2)"),
        ("prompt,seed\na cat, black,1\n", "line 2: more fields than columns (2)"),
        ("group,prompt,seed\nerasd,a cat,1\n", "line 2, column 'group', value 'erasd': no such group"),
        ("group,prompt,seed\nerased,a cat,1\n", "line 2, column 'concept', value ''"),
        ("row,prompt,seed\nx,a cat,1\n", "line 2, column 'row', value 'x'"),
        ('prompt,seed\n"a cat,1\n', "not valid CSV in UTF-8"),
        ("prompt;seed\na cat;1\n", "line 1: the columns are separated by semicolons (';')"),
        ("prompt\tseed\na cat\t1\n", "line 1: the columns are separated by tabs ('\\t')"),
        ("prompt,Seed,seed\na cat,1,1\n", "line 1: the column 'seed' is given twice"),
        ("row,prompt,seed\n0,a cat,1\n1,a dog,2\n0,a ship,3\n", "line 4, column 'row', value '0': line 2 has the same"),
        ("prompt,seed,,\na cat,1,,\na dog,2,x,\n", "line 3: 'x' is in a column without a name"),
        ("prompt,guidence,seed\na cat,1,1\n", "line 1: unknown column 'guidence'"),
    ],
)
def test_a_mistake_is_named_by_file_line_column_and_value(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(UserError) as caught:
        read_csv(path)
    assert str(path) in caught.value.what
    assert message in caught.value.what


def test_other_encodings_and_missing_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "latin.csv").write_bytes("prompt,seed\nun café,1\n".encode("latin-1"))
    for name, message in (("latin.csv", "not valid CSV in UTF-8"), ("none.csv", "cannot be read")):
        with pytest.raises(UserError, match=message):
            read_csv(tmp_path / name)


def test_a_spreadsheets_byte_order_mark_is_no_column_name(tmp_path: Path) -> None:
    (tmp_path / "bom.csv").write_bytes(b"\xef\xbb\xbfprompt,seed\r\na cat,1\r\n")
    assert read_csv(tmp_path / "bom.csv").rows[0].prompt == "a cat"


def test_a_limit_takes_the_first_rows_of_each_group() -> None:
    rows = tuple(PromptRow(at, "erased" if at < 3 else "general", "x" * (at < 3), f"p{at}", 1) for at in range(6))
    assert [row.row for row in PromptTable(rows).limited(2).rows] == [0, 1, 3, 4]


def test_a_frame_has_the_columns_and_the_row_numbers_as_index() -> None:
    frame = PromptTable(TABLE.rows[1:]).frame()
    assert list(frame.columns) == ["row", "group", "concept", "prompt", "seed"]
    assert list(frame.index) == [1, 2]
    assert frame.loc[1, "seed"] == 2**63 - 1


@pytest.mark.parametrize(
    "text",
    [
        "prompt,seed,,\na ship,1,,\na car,2,,\n",
        "prompt,seed\na ship,1\na car,2\n,\n,\n",
        "prompt,seed\na ship,1\n\n , \na car,2\n",
        "prompt,seed,,\na ship,1\na car,2,\n",  # spreadsheets leave out the last fields of some lines
        "\n,\nprompt,seed\na ship,1,,,\na car,2\n",
        "Prompt , SEED\na ship, 1\na car,2.00\n",
        ",prompt,seed\n0,a ship,1\n1,a car,2\n",
        "Unnamed: 0,prompt,seed,note\n0,a ship,1,x\n1,a car,2,\n",
    ],
)
def test_what_spreadsheets_and_pandas_add_is_left_out(tmp_path: Path, text: str) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(text.replace("\n", "\r\n").encode("utf-8-sig"))
    assert [(row.row, row.prompt, row.seed) for row in read_csv(path).rows] == [(0, "a ship", 1), (1, "a car", 2)]


def test_what_a_spreadsheet_would_run_is_written_as_text_and_read_as_it_was(tmp_path: Path) -> None:
    prompts = ("=HYPERLINK(1)", "+1 ship", "-1 car", "@home", "'=quoted", "\ttabbed", "'tis a ship")
    table = PromptTable(tuple(PromptRow(at, "erased", "=x", prompt, 1) for at, prompt in enumerate(prompts)))
    table.write_csv(tmp_path / "table.csv")
    assert read_csv(tmp_path / "table.csv") == table
    with (tmp_path / "table.csv").open(newline="", encoding="utf-8") as handle:
        cells = [cell for row in csv.reader(handle) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t"))]
    (tmp_path / "theirs.csv").write_text("prompt,evaluation_seed\n'=quoted,1\n")
    assert read_csv(tmp_path / "theirs.csv").rows[0].prompt == "'=quoted", "nobody neutralised a table of others"
