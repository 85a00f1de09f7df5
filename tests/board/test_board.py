from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from erasebench.board import write_board
from erasebench.board.build import read_records, sheet_path
from erasebench.board.markup import escaped
from erasebench.errors import UserError
from erasebench.results.record import Record
from tests.sample_records import fraction, metrics, record, unscored


def records() -> list[Record]:
    return [
        record("original", metrics=metrics(0.97, 0.98, 0.058, 5.1)),
        record("mace", metrics=metrics(0.04, 0.93, 0.945, 8.3) | {"acc_e": fraction(0.04, scored=96)}),
        record("uce", metrics=metrics(0.02, 0.70, 0.82, 14.3) | {"fid_mini_256": unscored("no weights", 256)}),
        record("mace", partial=True, command="erasebench run --method mace --limit 8"),
        record("esd-x", status="failed", error="The disk | is full.", metrics={}),
    ]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    for made in records():
        made.write(tmp_path / "results")
    return tmp_path


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def table_after(text: str, heading: str) -> list[list[str]]:
    """The cells of the first table after a heading, its own heading first."""
    lines = text[text.index(heading) :].splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("|"))
    last = next(i for i, line in enumerate([*lines, ""]) if i > first and not line.startswith("|"))
    return [cells(line) for line in lines[first:last] if not line.startswith("|:")]


def test_the_table_reads_as_it_should(out: Path) -> None:
    table = table_after(write_board(out).read_text(), "### miniature: 3 concepts, small size")
    assert table == [
        ["method", "concepts", "Acc_e, % ↓", "Acc_s, % ↑", "H_c, % ↑", "No face e, %", "FID-mini (N=256) ↓", "CLIP ↑",
         "erase, seconds", "sampling, times", "peak memory, GB"],
        ["original (unedited)", "none", "97.0 [94.0, 100.0]", "98.0 [95.0, 100.0]", "5.8 [2.8, 8.8]", "1.0 [0.0, 2.0]",
         "5.10", "31.04 [30.50, 31.60]", "41", "1", "2.3"],
        ["mace", "3", "4.0 [1.0, 7.0], 96 of 100", "**93.0 [90.0, 96.0]**", "**94.5 [91.5, 97.5]**", "1.0 [0.0, 2.0]",
         "8.30", "31.04 [30.50, 31.60]", "41", "-", "2.3"],
        ["uce", "3", "2.0 [0.0, 5.0]", "70.0 [67.0, 73.0]", "82.0 [79.0, 85.0]", "1.0 [0.0, 2.0]",
         "unscored (no weights)", "31.04 [30.50, 31.60]", "41", "-", "2.3"],
    ]  # fmt: skip


def test_a_missing_interval_is_explained_once_for_the_column(out: Path) -> None:
    assert write_board(out).read_text().count("- FID-mini (N=256) has no interval: biased at this N\n") == 1


def test_partial_and_failed_runs_stand_apart(out: Path) -> None:
    text = write_board(out).read_text()
    assert "- mace on miniature, 3 concepts, small size, partial run: H_c, % ↑ 93.3 [90.3, 96.3]\n" in text
    failed = text[text.index("### Runs that failed") :]
    assert r"| esd-x    | miniature | 3 concepts, small size | The disk \| is full. |" in failed


def test_the_guide_explains_every_column_and_the_world(out: Path) -> None:
    text = write_board(out).read_text()
    guide = text[text.index("### How to read these tables") : text.index("### Published")]
    for heading in table_after(text, "### miniature: 3 concepts, small size")[0][2:8]:
        assert f"- **{heading}**: " in guide
    assert "- **miniature**: a small model of invented people" in guide
    assert "95% interval by prompt" in guide
    assert "a jackknife for Frechet and kernel distances (FID, KID and their mini forms)" in guide


def test_the_published_figures_stand_in_tables_of_their_own(out: Path) -> None:
    text = write_board(out).read_text()
    measured, published = text.split("### Published, not measured here")
    assert "55.55 (printed 45.98)" in published
    assert "arXiv" not in measured


def test_every_record_can_be_made_again(out: Path) -> None:
    table = table_after(write_board(out).read_text(), "### Run it again")
    assert table[0] == ["record", "method version", "config", "model", "device", "seconds by stage", "command"]
    commands = {row[0]: row[-1] for row in table[1:]}
    assert commands == {f"[{r.id}](results/{r.id}.json)": f"`{r.command}`" for r in records()}
    assert "erase 41, sample 62, judge 8.4" in table[1]


def test_rebuilding_gives_the_same_bytes(out: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    first = write_board(out).read_bytes()
    assert write_board(out).read_bytes() == first
    other = tmp_path_factory.mktemp("other")
    for made in reversed(records()):
        made.write(other / "results")
    assert write_board(other).read_bytes() == first


def test_contact_sheets_are_linked_where_there_is_one(out: Path) -> None:
    original, mace = records()[:2]
    assert "sheets/" not in write_board(out).read_text()
    for made in (original, mace):
        sheet_path(out, made).parent.mkdir(exist_ok=True)
        sheet_path(out, made).write_bytes(b"png")
    text = write_board(out).read_text()
    assert f"![mace: before and after, same seeds](sheets/{mace.id}.png)" in text
    assert f"[original (unedited)](sheets/{original.id}.png), [mace](sheets/{mace.id}.png)" in text


def test_a_broken_record_is_named_and_neither_lost_nor_in_the_way(out: Path, caplog: pytest.LogCaptureFixture) -> None:
    broken = out / "results" / "broken.json"
    broken.write_text('{"schema_version": 1, "wor')
    (out / "results" / "future.json").write_text('{"schema_version": 3}')
    with caplog.at_level(logging.WARNING):
        text = write_board(out).read_text()
    warning = text[text.index("## Warning") : text.index("## celebrity")]
    assert "- `broken.json`: broken.json is not valid JSON" in warning
    assert "schema version 3" in warning
    assert "mace" in text
    assert "broken.json is not valid JSON" in caplog.text
    assert broken.read_text() == '{"schema_version": 1, "wor'


def test_a_record_under_another_name_is_named_and_not_counted_twice(out: Path) -> None:
    made = records()[1]
    copy = out / "results" / "copy.json"
    copy.write_bytes((out / "results" / f"{made.id}.json").read_bytes())
    found, unreadable = read_records(out / "results")
    assert [record.id for record in found].count(made.id) == 1
    assert unreadable == {"copy.json": f"copy.json contains the record {made.id}. Rename it to {made.id}.json."}


def test_half_written_files_are_left_alone(out: Path) -> None:
    (out / "results" / ".writing-1-ab-x.json").write_text("{")
    assert "Warning" not in write_board(out).read_text()


def test_a_board_without_records_is_the_users_to_mend(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no record in") as caught:
        write_board(tmp_path)
    assert "erasebench run" in caught.value.hint


def test_a_cell_stays_a_cell() -> None:
    assert escaped("a | b\n<c>") == r"a \| b &lt;c>"


def test_the_board_loads_no_torch() -> None:
    script = (
        "import sys\n"
        "import erasebench.metrics.statistics, erasebench.board.build, erasebench.board.contact_sheet\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
