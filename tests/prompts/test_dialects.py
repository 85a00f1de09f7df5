"""The dialects of the reference's tables, each read off rows written here."""

from __future__ import annotations

from pathlib import Path

import pytest

from erasebench.errors import UserError
from erasebench.prompts import PromptRow, PromptTable, read_csv
from erasebench.prompts.reading import read_lines

PEOPLE = """,type,prompt,evaluation_seed
0,erased,A portrait of Ann Ash,1
1,erased,Ann Ash in an official photo,3
2,others,An image capturing Bob Bell at a public event,5
"""
ARTISTS = """,type,prompt,artist,evaluation_seed
0,0,Art inspired by Ilka Vor,Ilka Vor,1
1,1,Image in the style of Bruno Kal,Bruno Kal,2
"""
COCO = """case_number,source,prompt,evaluation_seed,coco_id
0,coco,"a dog, asleep",4406,42
1,coco,a red bus,17,43
"""
I2P = """,prompt,categories,nudity_percentage,evaluation_seed,evaluation_guidance,sd_image_width,sd_image_height
0,a wooden figure,"sexual, shocking",12.5,3841095289,7.0,512,768
1,two wooden figures,sexual,0.0,7.0,,512,512
"""
I2P_RELEASE = """prompt,categories,hard,sd_seed,sd_guidance_scale,sd_image_width,sd_image_height,sd_model
a wooden figure,violence,0,12,12.5,640,512,1.4
"""


def table(folder: Path, text: str) -> PromptTable:
    (folder / "table.csv").write_text(text, encoding="utf-8")
    return read_csv(folder / "table.csv")


def test_people_are_named_by_the_template(tmp_path: Path) -> None:
    assert table(tmp_path, PEOPLE).rows == (
        PromptRow(0, "erased", "Ann Ash", "A portrait of Ann Ash", 1),
        PromptRow(1, "erased", "Ann Ash", "Ann Ash in an official photo", 3),
        PromptRow(2, "retain-seen", "Bob Bell", "An image capturing Bob Bell at a public event", 5),
    )


def test_people_under_other_templates_are_named_by_a_column(tmp_path: Path) -> None:
    row = "type,prompt,evaluation_seed{}\nerased,Ann Ash on a horse,1{}\n"
    with pytest.raises(UserError, match="line 2, column 'prompt', value 'Ann Ash on a horse': it follows no template"):
        table(tmp_path, row.format("", ""))
    assert table(tmp_path, row.format(",concept", ",Ann Ash")).rows[0].concept == "Ann Ash"


def test_artists_are_erased_at_0_and_retained_at_1(tmp_path: Path) -> None:
    assert table(tmp_path, ARTISTS).rows == (
        PromptRow(0, "erased", "Ilka Vor", "Art inspired by Ilka Vor", 1),
        PromptRow(1, "retain-seen", "Bruno Kal", "Image in the style of Bruno Kal", 2),
    )


def test_captions_are_general(tmp_path: Path) -> None:
    assert table(tmp_path, COCO).rows == (
        PromptRow(0, "general", "", "a dog, asleep", 4406),
        PromptRow(1, "general", "", "a red bus", 17),
    )


def test_i2p_brings_seed_guidance_and_size(tmp_path: Path) -> None:
    assert table(tmp_path, I2P).rows == (
        PromptRow(0, "erased", "sexual, shocking", "a wooden figure", 3841095289, 7.0, 512, 768),
        PromptRow(1, "erased", "sexual", "two wooden figures", 7, None, 512, 512),
    )
    assert table(tmp_path, I2P_RELEASE).rows[0].own == {"guidance": 12.5, "width": 640, "height": 512}


def test_published_tables_may_repeat_themselves(tmp_path: Path) -> None:
    assert len(table(tmp_path, COCO + "2,coco,a red bus,17,43\n").rows) == 3


def test_our_dialect_carries_guidance_and_size(tmp_path: Path) -> None:
    ours = (
        "row,group,concept,prompt,seed,guidance,width,height\n0,general,,a cat,1,7.5,512,768\n1,general,,a dog,2,,,\n"
    )
    read = table(tmp_path, ours)
    assert [row.own for row in read.rows] == [{"guidance": 7.5, "width": 512, "height": 768}, {}]
    read.write_csv(tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_text() == ours
    assert read.digest != PromptTable(tuple(row._replace(guidance=None) for row in read.rows)).digest


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PEOPLE.replace("others", "other"), "line 4, column 'type', value 'other': neither erased nor retained"),
        (ARTISTS.replace("Bruno Kal,2", " ,2"), "line 3, column 'artist', value ' ': no artist"),
        (
            ARTISTS.replace("artist", "Artist").replace("Bruno Kal,2", ",2"),
            "line 3, column 'Artist', value '': no artist",
        ),
        (COCO.replace("17", "x"), "line 3, column 'evaluation_seed', value 'x': not an integer"),
        (COCO.replace("a red bus", " "), "line 3, column 'prompt', value ' ': the prompt is empty"),
        (I2P.replace("768", "770"), "line 2, column 'sd_image_height', value '770': not a multiple of 8"),
        (I2P.replace(",7.0,512", ",warm,512"), "line 2, column 'evaluation_guidance', value 'warm': no guidance scale"),
        (I2P.replace(",7.0,512", ",-1,512"), "value '-1': no guidance scale"),
        ("prompt,evaluation_seed\na cat,\n", "line 2, column 'evaluation_seed', value '': not an integer"),
        ("prompt,sd_seed\na cat,3.84E+09\n", "value '3.84E+09': a number in scientific notation, which loses"),
        ("prompt,seed\na cat,1_0\n", "line 2, column 'seed', value '1_0': not an integer"),
        ("type,evaluation_seed\nerased,1\n", "line 1: the column 'prompt' is missing"),
        ("prompt,seed,seed\na cat,1,1\n", "line 1: the column 'seed' is given twice"),
        ("prompt,seed,width\na cat,1,511\n", "line 2, column 'width', value '511': not a multiple of 8"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        table(tmp_path, text)
    assert message in caught.value.what


RELEASED = {
    # Columns of the tables that ESD, UCE, RECE, SPM, SalUn, AdvUnlearn, EAP, P4D, Ring-A-Bell and UnlearnDiffAtk ship.
    "case_number,prompt,class,evaluation_seed\n7,Image of a church,church,4068\n": ("general", "church"),
    ",case_number,prompt,evaluation_seed,class\n0,7,Image of a church,4068,church\n": ("general", "church"),
    "case_number,prompt,evaluation_seed,artist\n7,Image of a church,4068,Ilka Vor\n": ("general", "Ilka Vor"),
    "prompt,artist,type,evaluation_seed,case_number\nImage of a church,Ilka Vor,preserved,4068,7\n": (
        *("retain-seen", "Ilka Vor"),
    ),
    "prompt,artist,type,evaluation_seed,case_number\nImage of a church,Ilka Vor,erased,4068,7\n": (
        "erased",
        "Ilka Vor",
    ),
    "case_number,source,prompt,evaluation_seed\n7,coco,Image of a church,4068\n": ("general", ""),
    "Unnamed: 0,image_id,prompt,evaluation_seed\n3,7,Image of a church,4068\n": ("general", ""),
    ",Unnamed: 0,ImageID,prompt,evaluation_seed\n3,3,7,Image of a church,4068\n": ("general", ""),
    "coco_id,prompt,evaluation_seed\n7,Image of a church,4068.0\n": ("general", ""),
    "prompt,case_number,evaluation_seed,prompt1\nImage of a church,7,4068,Image of a barn\n": ("general", ""),
    "Prompt,Case Number,Seed,Celebrity\nImage of a church,7,4068,Ann Ash\n": ("general", "Ann Ash"),
    "prompt,case_number,seed,label,name,remarks\nImage of a church,7,4068,3,church,\n": ("general", "church"),
    "prompt,case_number,evaluation_seed,group,concept\nImage of a church,7,4068,erased,church\n": ("erased", "church"),
    "prompt,case_number,evaluation_seed,group,type\nImage of a church,7,4068,set 1,long\n": ("general", ""),
}


@pytest.mark.parametrize("text", list(RELEASED))
def test_prompt_and_seed_are_enough_and_what_else_a_release_says_is_understood(tmp_path: Path, text: str) -> None:
    (tmp_path / "table.csv").write_text(text, encoding="utf-8")
    ((row, line),) = read_lines(tmp_path / "table.csv")
    group, concept = RELEASED[text]
    assert row == PromptRow(0, group, concept, "Image of a church", 4068)  # type: ignore[arg-type]
    assert line.row_number("case_number", 0) == 7


def test_one_misspelt_group_among_ours_is_named_whatever_the_seeds_column_is_called(tmp_path: Path) -> None:
    text = "prompt,evaluation_seed,group,concept\nan elm,1,erased,elm\nan oak,2,retained-kpt,oak\n"
    with pytest.raises(UserError, match="line 3, column 'group', value 'retained-kpt': no such group"):
        table(tmp_path, text)


def test_a_blank_concept_names_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a row of the group erased must name its concept"):
        table(tmp_path, "prompt,seed,group,concept\nan elm,1,erased,  \n")


def test_a_guidance_alone_makes_no_table_i2ps(tmp_path: Path) -> None:
    text = "case_number,prompt,evaluation_seed,evaluation_guidance\n0,Old stone church,69922,7.5\n"
    assert table(tmp_path, text).rows == (PromptRow(0, "general", "", "Old stone church", 69922, 7.5),)


def test_an_id_that_is_no_number_numbers_no_images(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("image_id,prompt,evaluation_seed\na.png,a cat,1\n2,a dog,1\n")
    assert all("case_number" not in line.record for _, line in read_lines(tmp_path / "table.csv"))


def test_the_row_of_i2p_that_lost_its_prompt_is_read_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """MACE, ESD, UCE, RECE and SalUn ship I2P as pandas left it: the prompt Null became nothing."""
    lost = table(tmp_path, I2P.replace("two wooden figures", ""))
    assert [row.prompt for row in lost.rows] == ["a wooden figure", ""]
    assert lost.rows[1].seed == 7
    (said,) = caplog.messages
    assert "1 row has no prompt (line 3)" in said and "Null" in said
    caplog.clear()
    whole = table(tmp_path, I2P.replace("two wooden figures", "Null").replace("a wooden figure", "nan"))
    assert [row.prompt for row in whole.rows] == ["nan", "Null"] and not caplog.messages


@pytest.mark.parametrize("word", ["Null", "NA", "N/A", "nan", "None", "NULL", "-", "#N/A"])
def test_no_word_is_missing(tmp_path: Path, word: str) -> None:
    read = table(tmp_path, f"prompt,seed,concept,group\n{word},1,{word},erased\n")
    assert (read.rows[0].prompt, read.rows[0].concept) == (word, word)
    read.write_csv(tmp_path / "again.csv")
    assert read_csv(tmp_path / "again.csv") == read
    assert read.frame()["prompt"].tolist() == [word]


def test_a_table_without_seeds_counts_on_from_a_given_one(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("prompt\na cat\na dog\n")
    assert [row.seed for row in read_csv(path, first_seed=7).rows] == [7, 8]
    with pytest.raises(UserError, match="take --seed N"):
        read_csv(path)
    with pytest.raises(UserError, match="--seed -1 is not"):
        read_csv(path, first_seed=-1)
    path.write_text("prompt,seed\na cat,1\n")
    with pytest.raises(UserError, match="has its own seeds"):
        read_csv(path, first_seed=7)


def test_a_nul_character_is_named_by_its_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="line 2: a field contains a NUL character"):
        table(tmp_path, "prompt,seed,file\na cat,1,a\0b.png\n")
