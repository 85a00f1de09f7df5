"""Prompts that are not ours: checked, kept by digest in the user's data folder, drawn on by a world and by suites."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from erasebench.cli import main
from erasebench.errors import UserError
from erasebench.prompts.coco import import_coco
from erasebench.prompts.imports import data_folder, load_import
from erasebench.prompts.tables import import_csv, import_i2p
from erasebench.worlds.stable_diffusion.world import StableDiffusionWorld
from tests.prompts.test_dialects import COCO, I2P

CAPTIONS: dict[str, Any] = {
    "images": [{"id": 42 + at, "file_name": f"COCO_val2014_{42 + at:012}.jpg"} for at in range(5)],
    "annotations": [
        {"id": 10 * at + second, "image_id": 42 + at, "caption": f" caption {second} of {at}\n"}
        for at in range(5)
        for second in (1, 0)
    ],
}


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ERASEBENCH_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def annotations(tmp_path: Path) -> Path:
    path = tmp_path / "captions_val2014.json"
    path.write_text(json.dumps(CAPTIONS), encoding="utf-8")
    return path


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    folder = tmp_path / "val2014"
    folder.mkdir()
    for image in CAPTIONS["images"]:
        (folder / image["file_name"]).write_bytes(b"a photograph")
    return folder


def test_captions_are_chosen_the_same_by_everybody(annotations: Path, photographs: Path) -> None:
    first = import_coco(annotations, images=photographs, n=3)
    assert [row.seed for row in first.table.rows] == [1, 2, 3]
    assert all(row.prompt.startswith("caption 0 of ") for row in first.table.rows)
    asked = [int(row.prompt[-1]) for row in first.table.rows]
    assert [int(path.stem[-2:]) - 42 for path in first.images] == asked
    # Of '42' to '46', '46' (25fc...), '43' (44cb...) and '44' (71ee...) have the smallest SHA-256.
    assert asked == [4, 1, 2]
    again = import_coco(annotations, images=photographs, n=3)
    assert (again.digest, load_import("coco")) == (first.digest, first)
    assert len(first.captions) == 7
    assert set(first.captions).isdisjoint(row.prompt for row in first.table.rows)


def test_a_table_may_choose_the_captions(annotations: Path, photographs: Path, tmp_path: Path) -> None:
    (tmp_path / "chosen.csv").write_text(COCO)
    kept = import_coco(annotations, images=photographs, n=2, select=tmp_path / "chosen.csv")
    assert [(row.prompt, row.seed) for row in kept.table.rows] == [("a dog, asleep", 4406), ("a red bus", 17)]
    assert [path.name for path in kept.images] == ["COCO_val2014_000000000042.jpg", "COCO_val2014_000000000043.jpg"]


def test_no_chosen_caption_is_left_for_the_prior_whatever_its_blanks(annotations: Path, tmp_path: Path) -> None:
    (tmp_path / "chosen.csv").write_text(COCO.replace("a red bus", " caption  0 of 1 "))
    kept = import_coco(annotations, n=2, select=tmp_path / "chosen.csv")
    assert kept.table.rows[1].prompt == " caption  0 of 1 "
    assert "caption 0 of 1" not in kept.captions and len(kept.captions) == 9


def test_stable_diffusions_world_draws_on_the_imports(
    annotations: Path, tmp_path: Path, tiny_model_folder: Path
) -> None:
    world = StableDiffusionWorld(str(tiny_model_folder))
    for prompts in (world.general_prompts, world.explicit_prompts):
        with pytest.raises(UserError, match="have not been imported") as caught:
            prompts()
        assert caught.value.hint.startswith("erasebench prompts import ")
    assert world.prior_captions() == ()
    import_coco(annotations, n=4)
    (tmp_path / "i2p.csv").write_text(I2P)
    import_i2p(tmp_path / "i2p.csv")
    assert [row.seed for row in world.general_prompts()] == [1, 2, 3, 4]
    assert len(world.prior_captions()) == 6
    assert world.explicit_prompts()[0][1:] == (3841095289, "sexual, shocking", 7.0, 512, 768)


def test_what_was_changed_since_is_named(annotations: Path) -> None:
    kept = import_coco(annotations, n=2)
    (data_folder() / "prompts" / "coco" / f"{kept.digest}.csv").write_text("prompt,seed\nanother,1\n")
    with pytest.raises(UserError, match="was changed after the import"):
        load_import("coco")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n": 6}, "captions of only 5 images, fewer than --n 6"),
        ({"n": 0}, "--n 0"),
        ({"images": "."}, "3 of 3 photographs are not in ."),
        ({"select": COCO.replace("43", "99")}, "row 2, column 'coco_id', value '99': no image of"),
        ({"select": COCO.replace("43", "x")}, "line 3, column 'coco_id', value 'x'"),
        ({"select": COCO}, "has 2 rows, fewer than --n 3"),
        ({"select": "prompt,seed\na cat,1\n"}, "the column 'coco_id' is missing"),
    ],
)
def test_a_mistake_with_captions_is_named(
    annotations: Path, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    words: dict[str, Any] = {"n": 3, **change}
    if "select" in change:
        (tmp_path / "chosen.csv").write_text(change["select"])
        words["select"] = tmp_path / "chosen.csv"
    if "images" in change:
        words["images"] = Path(change["images"])
    with pytest.raises(UserError) as caught:
        import_coco(annotations, **words)
    assert message in caught.value.what


@pytest.mark.parametrize("content", ["", "[]", '{"images": []}', '{"images": [{"id": "x"}], "annotations": []}'])
def test_a_file_that_holds_no_captions_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "other.json").write_text(content)
    with pytest.raises(UserError, match="is not a COCO captions file"):
        import_coco(tmp_path / "other.json")


def test_a_table_that_is_not_i2ps_is_named(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text(COCO)
    with pytest.raises(UserError, match="is not the table of I2P"):
        import_i2p(tmp_path / "other.csv")


def test_a_table_of_ones_own_gives_each_group_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("group,concept,prompt,seed\nerased,x,an x,1\ngeneral,,a y,2\n")
    kept = import_csv(path, "mine")
    assert [row.prompt for row in kept.of("erased")] == ["an x"]
    assert kept.of("retain-seen") == []
    path.write_text("prompt,seed\na y,2\n")
    assert [row.prompt for row in import_csv(path, "mine").of("erased")] == ["a y"]


@pytest.mark.parametrize("name", ["coco", "templates", "My Prompts", "../x"])
def test_a_name_that_cannot_be_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "mine.csv").write_text("prompt,seed\na y,2\n")
    with pytest.raises(UserError, match="cannot be called"):
        import_csv(tmp_path / "mine.csv", name)


def test_the_command_line_says_what_it_kept(
    annotations: Path, photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--annotations", str(annotations), "--images", str(photographs), "--n", "4"]
    assert main(["prompts", "import", "coco", *words]) == 0
    assert "4 general" in capsys.readouterr().out
    (tmp_path / "i2p.csv").write_text(I2P)
    assert main(["prompts", "import", "i2p", "--csv", str(tmp_path / "i2p.csv")]) == 0
    assert "The protocol has 4,703 rows" in capsys.readouterr().out
    assert main(["prompts", "import", "csv", str(tmp_path / "i2p.csv"), "--name", "my-own"]) == 0
    assert "Imported my-own: 2 erased" in capsys.readouterr().out
    assert main(["prompts", "import", "i2p", "--csv", str(tmp_path / "none.csv")]) == 2


def test_i2p_is_kept_whole_where_a_row_has_lost_its_prompt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "i2p.csv").write_text(I2P.replace("two wooden figures", ""))
    assert main(["prompts", "import", "i2p", "--csv", str(tmp_path / "i2p.csv")]) == 0
    out = capsys.readouterr().out
    assert "1 row has no prompt (line 3)" in out and "Imported i2p: 2 erased" in out
    assert [row.prompt for row in load_import("i2p").table.rows] == ["a wooden figure", ""]


def test_a_table_of_prompts_alone_is_kept_with_seeds_from_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("prompt\n=a y\na z\n")
    words = ["prompts", "import", "csv", str(tmp_path / "mine.csv")]
    assert main(words) == 2
    assert main([*words, "--seed", "5"]) == 0
    assert [(row.prompt, row.seed) for row in load_import("mine").rows] == [("=a y", 5), ("a z", 6)]
