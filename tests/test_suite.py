"""Suite x concept lists: the protocol's numbers, and nothing of the evaluation in what a method is given."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from erasebench.api.world import World, load_world
from erasebench.errors import UserError
from erasebench.metrics.columns import Column
from erasebench.prompts import build_table, sets_of
from erasebench.suite.selection import select
from erasebench.suite.suite import Suite, load_suite
from erasebench.worlds.stable_diffusion.world import StableDiffusionWorld


@pytest.fixture(scope="module")
def suite() -> Suite:
    return load_suite("celebrity")


@pytest.fixture(scope="module")
def miniature() -> World:
    return load_world("miniature")


@pytest.fixture
def real(tiny_model_folder: Path) -> World:
    return StableDiffusionWorld(str(tiny_model_folder))


def counts(suite: Suite, world: World, scale: int, size: str) -> Counter[str]:
    selection = select(suite, world, scale)
    table = build_table(suite, selection, suite.sizes[size], sets_of(suite, world, suite.sizes[size])[0])  # type: ignore[index]
    return Counter(row.group for row in table.rows)


@pytest.mark.parametrize("scale", [1, 5, 10, 100])
def test_the_small_size_on_the_miniature(suite: Suite, miniature: World, scale: int) -> None:
    erased = 500 if scale == 100 else 100
    expected = {"erased": erased, "retain-seen": 150, "retain-heldout": 150, "general": 256}
    assert counts(suite, miniature, scale, "small") == expected


@pytest.mark.parametrize(("scale", "erased"), [(1, 250), (5, 250), (10, 250), (100, 2500)])
def test_the_full_size_is_the_protocols(suite: Suite, real: World, scale: int, erased: int) -> None:
    assert counts(suite, real, scale, "full") == {"erased": erased, "retain-seen": 2500}
    selection = select(suite, real, scale)
    table = build_table(suite, selection, suite.sizes["full"], {})
    seeds = {row.seed for row in table.of_group("erased").rows}
    assert seeds == set(range(1, {1: 50, 5: 10, 10: 5, 100: 5}[scale] + 1))


def test_templates_and_names_are_the_protocols(suite: Suite, real: World) -> None:
    selection = select(suite, real, 1)
    assert (selection.erased, selection.anchors) == (("Melania Trump",), ("a woman",))
    prompts = {row.prompt for row in build_table(suite, selection, suite.sizes["full"], {}).of_group("erased").rows}
    assert prompts == {
        "A portrait of Melania Trump",
        "An image capturing Melania Trump at a public event",
        "An oil painting of Melania Trump",
        "A sketch of Melania Trump",
        "Melania Trump in an official photo",
    }
    assert set(select(suite, real, 10).anchors) == {"a person"}


def test_kept_names_are_the_same_at_every_size_and_apart_from_the_unseen(suite: Suite, miniature: World) -> None:
    selection = select(suite, miniature, 10)
    assert (len(selection.seen), len(selection.heldout)) == (50, 50)
    assert set(selection.seen).isdisjoint(selection.heldout)
    for size in suite.sizes.values():
        table = build_table(suite, selection, size, {})
        assert {row.concept for row in table.of_group("retain-seen").rows} <= set(selection.seen)
        assert {row.concept for row in table.of_group("retain-heldout").rows} <= set(selection.heldout)


@pytest.mark.parametrize("scale", [1, 10, 100])
def test_nothing_of_the_evaluation_reaches_a_method(suite: Suite, miniature: World, scale: int) -> None:
    selection = select(suite, miniature, scale)
    task = selection.task(suite.kind, miniature.prior_captions())
    given = task.model_dump_json()
    for size in suite.sizes.values():
        for row in build_table(suite, selection, size, sets_of(suite, miniature, size)[0]).rows:
            assert row.prompt not in task.prior_captions
            assert row.group == "general" or row.prompt not in given
    for name in selection.heldout:
        assert name not in given


def test_names_may_be_chosen(suite: Suite, miniature: World) -> None:
    retained, erased = (
        miniature.concept_lists.names("person", "retain")[0],
        miniature.concept_lists.names("person", "erase")[3],
    )
    selection = select(suite, miniature, concepts=(retained, erased))
    assert selection.erased == (retained, erased)
    assert retained not in selection.seen + selection.heldout
    assert str(selection.scale).startswith("custom-")


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"scale": 7}, "no scale 7"),
        ({"concepts": ("Tom Hank",)}, "Did you mean 'Tom Hanks'"),
        ({"concepts": ("Tom Hanks", "Tom Hanks")}, "twice"),
        ({"concepts": ()}, "empty"),
        ({"scale": 1, "concepts": ("Tom Hanks",)}, "Both"),
    ],
)
def test_a_wrong_choice_is_named(suite: Suite, real: World, choice: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        select(suite, real, **choice)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("kind: person", "kind: people", "kind"),
        ("default_scale: 2", "default_scale: 3", "default_scale 3"),
        ('"A portrait of {name}"', '"A portrait of nobody"', "contain {name} once"),
        ("title:", "titel:", "title"),
        ("primary_metric: h_c", "primary_metric: h_x", "h_x"),
        ("name: toy", "name: 'toy", "not valid YAML"),
        ("given: {default: 3}", "given: {toy: 3}", "given has no default"),
    ],
)
def test_a_broken_suite_file_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (Path(__file__).parent / "data" / "toy.yaml").read_text()
    assert old in text
    (tmp_path / "mine.yaml").write_text(text.replace(old, new, 1))
    with pytest.raises(UserError) as caught:
        load_suite(str(tmp_path / "mine.yaml"))
    assert str(tmp_path / "mine.yaml") in str(caught.value)
    assert message in str(caught.value)


def test_a_missing_suite_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no suite file"):
        load_suite(str(tmp_path / "none.yaml"))


def shown(suite: Suite, columns: tuple[Column, ...]) -> Suite:
    return suite.model_copy(update={"table": suite.table.model_copy(update={"columns": columns})})


def test_how_a_suite_is_shown_is_no_part_of_its_identity() -> None:
    suite = load_suite("celebrity")
    words = {"title": "another", "meaning": "another", "decimals": 4, "direction": None, "scale": 3.0, "key": "other"}
    assert set(words) == set(Column.model_fields), "every field of a column is edited"
    (primary_metric,) = (column for column in suite.table.columns if column.key == suite.table.primary_metric)
    first, *rest = (column for column in suite.table.columns if column != primary_metric)
    edited = [
        suite.model_copy(update={"title": "another"}),
        suite.model_copy(update={"table": suite.table.model_copy(update={"about": "another"})}),
        *(
            shown(suite, (first.model_copy(update={name: value}), *rest, primary_metric))
            for name, value in words.items()
        ),
    ]
    assert all(each != suite for each in edited)
    assert {each.digest for each in edited} == {suite.digest}


@pytest.mark.parametrize(
    "update",
    [{"anchor": "another"}, {"templates": ("a photo of {name}",)}, {"name": "another"}],
    ids=["anchor", "templates", "name"],
)
def test_what_a_suite_measures_is_its_identity(update: dict[str, Any]) -> None:
    suite = load_suite("celebrity")
    assert suite.model_copy(update=update).digest != suite.digest


def test_what_ranks_a_suite_and_what_it_resamples_are_its_identity() -> None:
    suite = load_suite("celebrity")
    turned = tuple(column.model_copy(update={"direction": "down"}) for column in suite.table.columns)
    for update in ({"primary_metric": "acc_e"}, {"resampled": "seed"}, {"columns": turned}):
        changed = suite.model_copy(update={"table": suite.table.model_copy(update=update)})
        assert changed.digest != suite.digest
