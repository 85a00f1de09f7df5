"""The dialects of the reference's tables, each read off rows written here."""

from __future__ import annotations

from pathlib import Path

import pytest

from erasebench.errors import UserError
from erasebench.prompts import PromptRow, PromptTable, read_csv

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
        PromptRow(2, "retained-kept", "Bob Bell", "An image capturing Bob Bell at a public event", 5),
    )


def test_people_under_other_templates_are_named_by_a_column(tmp_path: Path) -> None:
    row = "type,prompt,evaluation_seed{}\nerased,Ann Ash on a horse,1{}\n"
    with pytest.raises(UserError, match="line 2, column 'prompt', value 'Ann Ash on a horse': no template"):
        table(tmp_path, row.format("", ""))
    assert table(tmp_path, row.format(",concept", ",Ann Ash")).rows[0].concept == "Ann Ash"


def test_artists_are_erased_at_0_and_retained_at_1(tmp_path: Path) -> None:
    assert table(tmp_path, ARTISTS).rows == (
        PromptRow(0, "erased", "Ilka Vor", "Art inspired by Ilka Vor", 1),
        PromptRow(1, "retained-kept", "Bruno Kal", "Image in the style of Bruno Kal", 2),
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
        (ARTISTS.replace("type", "kind"), "line 2, column 'type', value '': the column is missing"),
        (COCO.replace("17", "x"), "line 3, column 'evaluation_seed', value 'x': not an integer"),
        (COCO.replace("a red bus", " "), "line 3, column 'prompt', value ' ': the prompt is empty"),
        (I2P.replace("768", "770"), "line 2, column 'sd_image_height', value '770': not a multiple of 8"),
        (I2P.replace(",7.0,512", ",warm,512"), "line 2, column 'evaluation_guidance', value 'warm': no guidance scale"),
        (I2P.replace(",7.0,512", ",-1,512"), "value '-1': no guidance scale"),
        ("prompt,evaluation_seed\na cat,1\n", "line 1: the columns are none of the dialects'"),
        ("type,evaluation_seed\nerased,1\n", "line 1: the column 'prompt' is missing"),
        ("prompt,seed,seed\na cat,1,1\n", "line 1: the column 'seed' is there twice"),
        ("prompt,seed,width\na cat,1,511\n", "line 2, column 'width', value '511': not a multiple of 8"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        table(tmp_path, text)
    assert message in caught.value.what
