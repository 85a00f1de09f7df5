"""Which image belongs to which prompt."""

from __future__ import annotations

from pathlib import Path

import pytest

from erasebench.errors import UserError
from erasebench.scoring.folder import list_images
from erasebench.scoring.matching import Entry, by_names, by_table

REFERENCE = """,type,prompt,evaluation_seed
0,erased,A portrait of Adam Driver,1
1,erased,A sketch of Adam Driver,2
2,others,A portrait of Amy Adams,1
"""


def _folder(tmp_path: Path, *names: str) -> Path:
    for name in names:
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path / "images"


def _matched(folder: Path, table: Path) -> list[tuple[str, str, str, int, bool]]:
    return [
        ("" if entry.image is None else entry.image.file, entry.group, entry.concept, entry.seed, not entry.fault)
        for entry in by_table(list_images(folder), table, folder).entries
    ]


def test_without_a_table_the_folder_is_the_group_and_the_name_the_prompt(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "erased/A sketch of Amy Adams_3.png", "12_4.png")
    first, second = sorted(by_names(list_images(folder)), key=lambda entry: entry.group, reverse=True)
    assert first[1:] == ("erased", "", "A sketch of Amy Adams", 3, "")
    assert second[1:] == ("all", "", "", 0, "")


def test_the_reference_samplers_layout_matches_the_reference_table(tmp_path: Path) -> None:
    folder = _folder(
        tmp_path,
        *("erased/A portrait of Adam Driver_1.png", "erased/A sketch of Adam Driver_2.png"),
        *("others/A portrait of Amy Adams_1.png", "others/A portrait of Amy Adams_7.png"),
    )
    (tmp_path / "table.csv").write_text(REFERENCE)
    assert _matched(folder, tmp_path / "table.csv") == [
        ("erased/A portrait of Adam Driver_1.png", "erased", "Adam Driver", 1, True),
        ("erased/A sketch of Adam Driver_2.png", "erased", "Adam Driver", 2, True),
        ("others/A portrait of Amy Adams_1.png", "retained-kept", "Amy Adams", 1, True),
        ("others/A portrait of Amy Adams_7.png", "others", "", 7, False),
    ]


def test_a_row_without_an_image_stays_in_the_report(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "erased/A sketch of Adam Driver_2.png")
    (tmp_path / "table.csv").write_text(REFERENCE)
    entries = by_table(list_images(folder), tmp_path / "table.csv", folder).entries
    assert [entry.image is None for entry in entries] == [True, False, True]


def test_a_number_at_the_beginning_is_the_row(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "2_0.png", "000000.png", "5.png")
    (tmp_path / "table.csv").write_text("row,prompt,seed\n0,a cat,9\n1,a dog,9\n2,a cow,9\n")
    files = [entry[0] for entry in _matched(folder, tmp_path / "table.csv")]
    assert files == ["000000.png", "", "2_0.png", "5.png"]


def test_a_number_never_takes_the_image_of_another_row(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "2 dogs play_9.png")
    table = tmp_path / "rows.csv"
    table.write_text("row,prompt,seed\n2,a cat,2\n9,2 dogs play,9\n")
    assert [(file, seed) for file, _, _, seed, _ in _matched(folder, table)] == [("", 2), ("2 dogs play_9.png", 9)]


def test_a_prompt_is_known_by_its_letters_whatever_the_sampler_made_of_the_rest(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "A cat and_or a dog, quoted__4.png")
    (tmp_path / "table.csv").write_text('prompt,seed\n"A cat and/or a dog, ""quoted""?",4\n')
    assert _matched(folder, tmp_path / "table.csv")[0][0] == "A cat and_or a dog, quoted__4.png"


def test_the_same_prompt_and_seed_in_two_folders_go_to_their_groups(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "others/A portrait of Amy Adams_1.png", "erased/A portrait of Amy Adams_1.png")
    table = (
        "group,concept,prompt,seed\n{0},Amy Adams,A portrait of Amy Adams,1\n{1},Amy Adams,A portrait of Amy Adams,1\n"
    )
    (tmp_path / "table.csv").write_text(table.format("erased", "retained-kept"))
    assert [entry[0].partition("/")[0] for entry in _matched(folder, tmp_path / "table.csv")] == ["erased", "others"]


def test_our_own_listing_names_the_files(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "0a1b.png", "ffee.png")
    listing = "row,group,concept,prompt,seed,file\n0,general,,a cat,1,ffee.png\n1,general,,a dog,1,gone.png\n"
    (folder / "images.csv").write_text(listing)
    assert [entry[0] for entry in _matched(folder, folder / "images.csv")] == ["ffee.png", "", "0a1b.png"]


@pytest.mark.parametrize("entry", [Entry(None, "erased", "Amy", "a", 1)])
def test_a_frame_keeps_one_row_for_each_entry(entry: Entry) -> None:
    from erasebench.scoring.matching import frame_of

    frame = frame_of([entry, entry._replace(prompt="")])
    assert frame["file"].tolist() == ["", ""]
    assert frame["cluster"].tolist() == ["a", ""]


def test_a_case_number_stays_with_its_row_when_the_table_is_sorted_or_filtered(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "0_4406.png", "7_17.png", "9_5.png")
    lines = ["9,coco,a tree,5,44", "0,coco,a dog,4406,42", "7,coco,a red bus,17,43"]
    table = tmp_path / "table.csv"
    table.write_text("case_number,source,prompt,evaluation_seed,coco_id\n" + "\n".join(lines) + "\n")
    assert [(file, seed) for file, _, _, seed, _ in _matched(folder, table)] == [
        *(("9_5.png", 5), ("0_4406.png", 4406), ("7_17.png", 17)),
    ]


def test_a_case_number_of_several_rows_gives_none_of_them_an_image(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "0_0.png", "1_0.png")
    lines = ["0,coco,a dog,5,42", "0,coco,a red bus,6,43", "1,coco,a tree,7,44"]
    table = tmp_path / "table.csv"
    table.write_text("case_number,source,prompt,evaluation_seed,coco_id\n" + "\n".join(lines) + "\n")
    assert [(file, seed, placed) for file, _, _, seed, placed in _matched(folder, table)] == [
        *(("", 5, True), ("", 6, True), ("1_0.png", 7, True), ("0_0.png", 0, False)),
    ]


def test_a_case_number_that_is_none_is_named(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "0_0.png")
    table = tmp_path / "table.csv"
    table.write_text("case_number,source,prompt,evaluation_seed,coco_id\nx,coco,a dog,5,42\n")
    with pytest.raises(UserError, match="line 2, column 'case_number', value 'x'"):
        by_table(list_images(folder), table, folder)
