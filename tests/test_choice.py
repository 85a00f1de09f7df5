"""Concepts of one's own: any words with an anchor, and what contradicts itself is refused before any work."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from erasebench.api.judge_settings import JudgeSettings
from erasebench.api.world import World, load_world
from erasebench.errors import UserError
from erasebench.prompts import build_table
from erasebench.runner.job import Job, plan
from erasebench.runner.request import Request
from erasebench.suite.selection import select, selections
from erasebench.suite.suite import load_suite
from erasebench.worlds.protocol import CLASSES, with_classes
from erasebench.worlds.stable_diffusion.world import StableDiffusionWorld


@pytest.fixture
def real(tiny_model_folder: Path) -> World:
    return StableDiffusionWorld(str(tiny_model_folder))


def jobs(folder: Path, suite: str, measured: bool = True, method: str = "uce", **words: object) -> list[Job]:
    request = Request((method,), (suite,), world="stable-diffusion-v1-4", model=str(folder), baselines="none", **words)  # type: ignore[arg-type]
    return plan(request, forecast=True, measured=measured)


def test_a_new_object_is_erased_towards_its_anchor_and_every_class_stays(tiny_model_folder: Path) -> None:
    (job,) = jobs(tiny_model_folder, "object", concepts=("golf ball",), anchors=("ball",))
    assert job.task.anchors == {"golf ball": "ball"}
    assert job.task.keep == CLASSES
    asked = {row.group: {row.concept for row in job.table.of_group(row.group).rows} for row in job.table.rows}
    assert asked == {"erased": {"golf ball"}, "retain-seen": set(CLASSES)}
    assert {row.prompt for row in job.table.of_group("erased").rows} == {"a photo of the golf ball"}
    assert job.without_synonyms == "no other words for golf ball are known"
    assert job.world.judge_settings.names == ("golf ball",)
    assert job.chosen.config.model_dump()["anchor"] == "task", "what the user says goes before a release's own anchor"


def test_the_judge_gets_the_new_class_and_no_second_word_for_an_old_one() -> None:
    assert with_classes(("golf ball", "dog", "car", "golf ball")) == (*CLASSES, "golf ball")
    assert JudgeSettings.from_pairs(["names=golf ball, tennis ball"]).names == ("golf ball", "tennis ball")


def test_the_miniatures_judge_takes_a_class_that_its_words_make() -> None:
    world = load_world("miniature")
    world.judge_settings = JudgeSettings(names=("red hat",))
    judge = world.judge("clip-accuracy", "cpu")
    assert judge.identity()["classes"] == [*CLASSES, "red hat"]
    assert world.cannot_judge("clip-accuracy", "red hat") is None
    assert world.cannot_judge("clip-accuracy", "golf ball") == "this world's CLIP does not know the word 'golf'"


def test_known_names_take_an_anchor_in_the_task_and_stand_in_a_table_of_their_own(tiny_model_folder: Path) -> None:
    (usual,) = jobs(tiny_model_folder, "celebrity", scale=10)
    (own,) = jobs(tiny_model_folder, "celebrity", scale=10, anchors=("a man",))
    assert set(own.task.anchors.values()) == {"a man"}
    assert own.task.names == usual.task.names
    assert (usual.selection.scale, own.selection.scale) == (10, "10 to a man")
    (same,) = jobs(tiny_model_folder, "celebrity", scale=10, anchors=("a person",))
    assert same.selection == usual.selection, "the suite's own anchor, spelt out, changes nothing"


def test_each_name_has_its_own_anchor_where_as_many_are_given(real: World) -> None:
    own = selections(load_suite("object"), real, "full", concepts=("dog", "golf ball"), anchors=("cat", "ball"))
    assert [(each.erased, each.anchors, each.scale) for each in own] == [
        (("dog",), ("cat",), "dog to cat"),
        (("golf ball",), ("ball",), "golf ball to ball"),
    ]
    together = select(load_suite("style"), real, concepts=("Van Gogh", "Somebody"), anchors=("art", "a painting"))
    assert together.anchors == ("art", "a painting")


def test_a_name_is_taken_as_the_cast_writes_it(real: World) -> None:
    suite = load_suite("object")
    own = selections(suite, real, "full", concepts=(" Dog",))
    assert own == selections(suite, real, "full", concepts=("dog",))
    assert "dog" not in own[0].seen


def test_another_word_for_a_class_takes_the_class_from_what_is_kept(tiny_model_folder: Path) -> None:
    (job,) = jobs(tiny_model_folder, "object", measured=False, concepts=("car",), anchors=("sky",))
    assert "automobile" not in job.task.keep
    with pytest.raises(UserError, match="cannot recognise 'car': it is another word for 'automobile'"):
        jobs(tiny_model_folder, "object", concepts=("car",), anchors=("sky",))


def test_a_recogniser_of_faces_is_not_asked_for_a_stranger(tiny_model_folder: Path) -> None:
    words = {"concepts": ("Some Body",), "anchors": ("a person",)}
    with pytest.raises(UserError, match="The judge face-id of the suite celebrity cannot recognise 'Some Body'"):
        jobs(tiny_model_folder, "celebrity", **words)  # type: ignore[arg-type]
    (job,) = jobs(tiny_model_folder, "celebrity", measured=False, **words)  # type: ignore[arg-type]
    assert job.task.anchors == {"Some Body": "a person"}


@pytest.mark.parametrize("suite", ["style", "explicit"])
def test_where_no_judge_asks_for_the_name_any_words_are_measured(tiny_model_folder: Path, suite: str) -> None:
    (job,) = jobs(tiny_model_folder, suite, concepts=("a thing of mine",), anchors=("",))
    assert job.task.anchors == {"a thing of mine": ""}


@pytest.mark.parametrize(
    ("concepts", "anchors", "message"),
    [
        (("golf ball",), None, "does not know 'golf ball'.*\n.*--concepts 'golf ball' --anchor 'a word'.*`sets`"),
        (("dgo",), None, "does not know 'dgo'.*\nDid you mean 'dog'"),
        (("dog",), ("Dog ",), "'dog' is its own anchor in the suite object"),
        (("golf ball",), ("GOLF  BALL",), "'golf ball' is its own anchor"),
        (("Dog", "dog"), None, "twice: 'dog' is given twice, once as 'Dog'"),
        (("caf\u00e9", "cafe\u0301"), ("a bar",), "twice"),
        (("dog", " "), None, "the name is empty"),
        (("dog\nball",), ("a toy",), "line break"),
        (("dog" * 100,), ("a toy",), "longer than 150"),
        (("dog", "cat"), ("a", "b", "c"), "--anchor gives 3 anchors .* for 2 names"),
        (("dog",), ("a\x00",), "--anchor: the name .* cannot be printed"),
        ((), None, "--concepts is empty"),
    ],
)
def test_what_contradicts_itself_is_refused(
    real: World, concepts: tuple[str, ...], anchors: tuple[str, ...] | None, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        selections(load_suite("object"), real, "full", concepts=concepts, anchors=anchors)


def test_two_files_of_one_method_name_are_told_apart(tiny_model_folder: Path, tmp_path: Path) -> None:
    files = [tmp_path / version / "eraser.py" for version in ("v1", "v2")]
    for file in files:
        file.parent.mkdir()
        text = "from erasebench.methods.original import Original\nclass Mine(Original):\n    name = 'mine'\n"
        file.write_text(f"{text}    version = '{file.parent.name}'\n")
    request = Request(
        tuple(f"{file}:Mine" for file in files),
        ("object",),
        world="stable-diffusion-v1-4",
        model=str(tiny_model_folder),
        concepts=("dog",),
        baselines="none",
    )
    first, second = plan(request)
    assert first.chosen.identity != second.chosen.identity
    assert first.label != second.label
    assert str(files[0]) in first.label


def test_a_copy_of_a_file_elsewhere_has_the_same_identity(tiny_model_folder: Path, tmp_path: Path) -> None:
    text = "from erasebench.methods.original import Original\nclass Mine(Original):\n    name = 'mine'\n"
    versions = set()
    for place in ("here", "there"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "eraser.py").write_text(text)
        (job,) = jobs(tiny_model_folder, "object", method=f"{tmp_path / place / 'eraser.py'}:Mine", concepts=("dog",))
        versions.add(job.chosen.version)
    assert len(versions) == 1


def test_the_table_of_a_new_object_asks_for_the_classes_once_more(real: World) -> None:
    suite = load_suite("object")
    (new,) = selections(suite, real, "full", concepts=("golf ball",), anchors=("ball",))
    (known,) = selections(suite, real, "full", concepts=("dog",))
    assert (count(suite, new), count(suite, known)) == (10, 9)


def count(suite: object, selection: object) -> int:
    rows: Iterable[object] = build_table(suite, selection, suite.sizes["full"], {}).of_group("retain-seen").rows  # type: ignore[arg-type, attr-defined]
    return len({row.concept for row in rows})  # type: ignore[attr-defined]
