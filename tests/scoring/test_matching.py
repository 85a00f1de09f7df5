"""Which image belongs to which prompt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from erasebench.errors import UserError
from erasebench.files.csv_cells import safe_cell
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
        ("others/A portrait of Amy Adams_1.png", "retain-seen", "Amy Adams", 1, True),
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
    (tmp_path / "table.csv").write_text(table.format("erased", "retain-seen"))
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


def _outcomes(folder: Path, table: Path) -> dict[str, str]:
    """Each image's prompt, or the outcome that says why it has none."""
    matched = by_table(list_images(folder), table, folder)
    return {entry.image.file: entry.fault or entry.prompt for entry in matched.entries if entry.image is not None}


def test_digits_at_the_beginning_of_another_name_are_no_number(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "0a9f.png", "1e77b2.png", "2 dogs_9.png", "2nd.png", "2-1.png")
    table = tmp_path / "t.csv"
    table.write_text("prompt,seed\na cat,1\na dog,2\na cow,3\n")
    assert set(_outcomes(folder, table).values()) == {"no-prompt-row"}


def test_several_images_of_a_case_are_all_of_its_row_and_one_cluster(tmp_path: Path) -> None:
    from erasebench.scoring.matching import frame_of

    folder = _folder(tmp_path, *(f"{case}_{n}.png" for case in (4, 7) for n in range(3)))
    table = tmp_path / "t.csv"
    table.write_text("case_number,prompt,evaluation_seed,coco_id\n4,a red car,11,1\n7,a blue bird,12,2\n")
    matched = by_table(list_images(folder), table, folder)
    frame = frame_of(matched.entries)
    assert frame["file"].tolist() == [f"{case}_{n}.png" for case in (4, 7) for n in range(3)]
    assert frame["cluster"].tolist() == ["a red car"] * 3 + ["a blue bird"] * 3
    assert matched.notes == []


TWO = "prompt,seed\n{0},1\n{1},1\n"


@pytest.mark.parametrize(
    ("table", "names", "expected"),
    [
        pytest.param(TWO.format("a", "b"), ["0.png", "00.png"], ["ambiguous-name"] * 2, id="two files of a number"),
        pytest.param(TWO.format("a", "b"), ["0_1.png", "0_01.jpg"], ["ambiguous-name"] * 2, id="two files of a repeat"),
        pytest.param(TWO.format("a", "b"), ["x/0.png", "y/0.png"], ["ambiguous-name"] * 2, id="two folders"),
        pytest.param(TWO.format("a cat!", "a cat?"), ["a cat__1.png"], ["ambiguous-name"], id="signs replaced"),
        pytest.param(TWO.format("a cat!", "a cat?"), ["a cat?_1.png"], ["a cat?"], id="signs kept"),
        pytest.param(TWO.format("a", "a") + "a,2\n", ["a.png"], ["ambiguous-name"], id="no seed, several"),
        pytest.param(TWO.format("a", "b"), ["1.png", "2.png"], ["ambiguous-name"] * 2, id="numbered from one"),
        pytest.param(TWO.format("a", "b") + "c,1\n", ["1.png", "2.png"], ["ambiguous-name"] * 2, id="from one, cut"),
        pytest.param(TWO.format("a", "b") + "c,1\n", ["1_0.png"], ["ambiguous-name"], id="from one, several"),
        pytest.param(TWO.format("a", "red cars"), ["1_red-cars_1.png"], ["red cars"], id="no 0, its own prompt"),
        pytest.param(
            "case_number,prompt,evaluation_seed\n0,a,1\n1,b,1\n2,c,1\n", ["1.png"], ["b"], id="no 0, numbers written"
        ),
        pytest.param("prompt,seed\na dog 11,5\na dog,1\n", ["a dog_11.png"], ["ambiguous-name"], id="number or seed"),
        pytest.param("prompt,seed\na dog_11,5\na dog,1\n", ["a dog_11.png"], ["a dog_11"], id="the whole prompt"),
        pytest.param(TWO.format("a", "b"), ["0_two dogs play_9.png"], ["ambiguous-name"], id="another prompt"),
        pytest.param(TWO.format("a", "b"), ["0_edited.png"], ["a"], id="a mark"),
        pytest.param(TWO.format("a red car", "b"), ["0_red-car_9.png"], ["a red car"], id="its own prompt"),
        pytest.param(TWO.format("a", "b"), ["0.png", "0_1.png"], ["a", "row-has-image"], id="the more exact name"),
        pytest.param("row,prompt,seed\n1,a,1\n0,b,1\n", ["0.png"], ["ambiguous-name"], id="number or place"),
        pytest.param(
            "case_number,prompt,evaluation_seed\n1,a,1\n0,b,1\n", ["0_0.png", "1_0.png"], ["b", "a"], id="case and n"
        ),
        pytest.param(
            "case_number,prompt,evaluation_seed\n0,a,1\n2,b,1\n3,c,1\n",
            ["0_0.png", "1_0.png", "2_0.png"],
            ["a", "ambiguous-name", "ambiguous-name"],
            id="places where a case is missing",
        ),
        pytest.param("prompt,seed,coco_id\na,1,4403\nb,1,77\n", ["0.png", "1.png"], ["a", "b"], id="ids nobody used"),
    ],
)
def test_what_fits_in_several_ways_is_counted_and_left_alone(
    tmp_path: Path, table: str, names: list[str], expected: list[str]
) -> None:
    folder = _folder(tmp_path, *names)
    (tmp_path / "t.csv").write_text(table, encoding="utf-8")
    assert _outcomes(folder, tmp_path / "t.csv") == dict(zip(names, expected, strict=True))
    notes = by_table(list_images(folder), tmp_path / "t.csv", folder).notes
    count = expected.count("ambiguous-name")
    assert [note.split(" ")[0] for note in notes] == [str(count)] * bool(count)


LONG = "a photograph of an old lighthouse on a rocky coast at dusk, waves breaking, " + "very detailed, " * 8


def test_a_prompt_that_a_name_cuts_short_is_known_where_one_row_begins_so(tmp_path: Path) -> None:
    other = LONG.replace("lighthouse", "castle")
    lines = [f'"{LONG}",1', f'"{LONG}",2', f'"{other} in snow",1', f'"{other} in rain",1']
    (tmp_path / "t.csv").write_text("prompt,seed\n" + "\n".join(lines) + "\n")
    names = [f"{LONG[:100]}_2.png", f"{other[:100]}_1.png", f"{LONG[:20]}_1.png", f"{LONG[:60]}.png"]
    found = _outcomes(_folder(tmp_path, *names), tmp_path / "t.csv")
    assert found == dict(zip(names, [LONG, "ambiguous-name", "no-prompt-row", "ambiguous-name"], strict=True))


@pytest.mark.parametrize(
    ("prompt", "stem"),
    [
        ("a caf\u00e9 in S\u00e3o Paulo", "a cafe\u0301 in Sa\u0303o Paulo"),
        ("a sign\nthat says no", "a sign\nthat says no"),
        ("a sign\nthat says no", "a sign that says no"),
        ('who? "me": <us> | a*b/c\\d', "who_ _me__ _us_ _ a_b_c_d"),
        ("\u0915\u093f\u0924\u093e\u092c", "\u0915\u093f\u0924\u093e\u092c"),
    ],
)
def test_accents_line_ends_and_signs_are_matched_however_a_name_has_them(
    tmp_path: Path, prompt: str, stem: str
) -> None:
    quoted = prompt.replace('"', '""')
    (tmp_path / "t.csv").write_text(f'prompt,seed\n"{quoted}",5\nanother,5\n', encoding="utf-8")
    assert _outcomes(_folder(tmp_path, f"{stem}_5.png"), tmp_path / "t.csv") == {f"{stem}_5.png": prompt}


def test_a_name_that_is_not_utf_8_is_named_or_matched_by_its_number(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "0.png")
    for name in (b"caf\xe9_2.png", b"1_caf\xe9.png"):
        (folder / "0.png").rename(tmp_path / "kept")
        Path(bytes(folder).decode(), name.decode("utf-8", "surrogateescape")).write_bytes(name)
        (tmp_path / "kept").rename(folder / "0.png")
    (tmp_path / "t.csv").write_text("prompt,seed\na cat,1\ncaf\u00e9,2\n", encoding="utf-8")
    found = _outcomes(folder, tmp_path / "t.csv")
    assert found == {"0.png": "a cat", "1_caf\\udce9.png": "caf\u00e9", "caf\\udce9_2.png": "name-not-utf-8"}


def test_the_folders_own_listing_counts_before_any_name(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "0.png", "1.png", "2.png", "a cat_1.png")
    lines = ["0,general,,a dog,2,0.png", "1,general,,a cat,1,1.png", "2,general,,a fox,3,2.png"]
    (folder / "images.csv").write_text("row,group,concept,prompt,seed,file\n" + "\n".join(lines) + "\n")
    (tmp_path / "t.csv").write_text("prompt,seed\na cat,1\na dog,2\na cow,4\n")
    assert _outcomes(folder, tmp_path / "t.csv") == {
        **{"0.png": "a dog", "1.png": "a cat", "2.png": "no-prompt-row", "a cat_1.png": "row-has-image"},
    }
    (folder / "images.csv").write_text("name,url\nx,y\n")
    matched = by_table(list_images(folder), tmp_path / "t.csv", folder)
    assert matched.notes == [f"{folder / 'images.csv'} is not used: it does not list files as erasebench sample does."]


def test_a_listing_may_give_one_image_to_rows_that_ask_for_the_same_and_to_no_others(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "x.png")
    head = "row,group,concept,prompt,seed,file\n0,erased,Amy,A sketch of Amy,1,x.png\n1,retain-seen,Amy,"
    (folder / "images.csv").write_text(f"{head}A sketch of Amy,1,x.png\n")
    assert [entry[0] for entry in _matched(folder, folder / "images.csv")] == ["x.png", "x.png"]
    (folder / "images.csv").write_text(f"{head}A sketch of Amy,2,x.png\n")
    assert _outcomes(folder, folder / "images.csv") == {"x.png": "ambiguous-name"}


def test_what_sample_wrote_is_matched_whole_by_its_table_and_by_its_listing(
    tmp_path: Path, tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from erasebench.cli import main
    from erasebench.diffusion.sampling import Sampler

    # Names and listing are what counts here, not what is painted.
    monkeypatch.setattr(Sampler, "images", lambda self, specs: iter([np.zeros((16, 16, 3), np.uint8)] * len(specs)))
    prompts = tmp_path / "t.csv"
    asked = [*(f"a picture of {n} ships" for n in range(28)), "=1+1", "'-x'"]
    cells = [f"{safe_cell(prompt)},{n}" for n, prompt in enumerate(asked)]
    prompts.write_text("prompt,seed\n" + "\n".join(cells) + "\n")
    out = tmp_path / "out"
    toy = f"{Path(__file__).parents[1] / 'toy_world.py'}:ToyWorld"
    words = ["--prompts", str(prompts), "--out", str(out), "--world", toy, "--model", str(tiny_model_folder)]
    assert main(["sample", *words]) == 0
    by_own = by_table(list_images(out), out / "images.csv", out).entries
    by_given = by_table(list_images(out), prompts, out).entries
    assert len(by_own) == len(by_given) == 30
    assert all(entry.image is not None and not entry.fault for entry in by_own + by_given)
    of_prompt = {entry.prompt: entry.image for entry in by_own}
    assert {entry.prompt: entry.image for entry in by_given} == of_prompt
    assert [entry.prompt for entry in by_given] == asked
