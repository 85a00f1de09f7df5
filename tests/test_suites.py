"""The four suites that ship: rows in both worlds, sizes, and that no method is shown what it is judged on."""

from __future__ import annotations

from collections import Counter

import pytest

from erasebench.api.world import SizeName, World, load_world
from erasebench.errors import UserError
from erasebench.prompts import PromptTable, build_table, sets_of
from erasebench.suite.selection import selections
from erasebench.suite.suite import SUITES, load_suite
from erasebench.worlds.miniature.explicit import PROMPTS
from erasebench.worlds.miniature.painter.captions import BARE
from erasebench.worlds.protocol import CLASSES, SYNONYMS
from erasebench.worlds.stable_diffusion.world import StableDiffusionWorld

NAMES = ("celebrity", "explicit", "object", "style")


@pytest.fixture(scope="module")
def miniature() -> World:
    return load_world("miniature")


@pytest.fixture(scope="module")
def real() -> World:
    return StableDiffusionWorld()


def tables(name: str, world: World, size: SizeName, **choice: object) -> dict[str, PromptTable]:
    """By scale or name erased, the rows of a suite."""
    suite = load_suite(name)
    sets, _ = sets_of(suite, world, suite.sizes[size])
    return {
        str(selection.scale): build_table(suite, selection, suite.sizes[size], sets)
        for selection in selections(suite, world, size, **choice)  # type: ignore[arg-type]
    }


def counts(table: PromptTable) -> dict[str, int]:
    return dict(Counter(row.group for row in table.rows))


def test_the_four_suites_are_registered() -> None:
    assert set(NAMES) <= set(SUITES.names())


def test_the_small_sizes_on_the_miniature(miniature: World) -> None:
    names = {"erased": 100, "retain-seen": 150, "retain-heldout": 150, "general": 256}
    assert counts(tables("celebrity", miniature, "small")["10"]) == names
    assert counts(tables("style", miniature, "small")["10"]) == names
    assert counts(tables("explicit", miniature, "small")["4"]) == {"erased": 200, "general": 256}
    objects = tables("object", miniature, "small")
    assert list(objects) == ["automobile", "bird", "ship"]
    one_class = {"erased": 60, "synonyms": 90, "retain-seen": 80, "retain-heldout": 100}
    assert all(counts(table) == one_class for table in objects.values())


def test_objects_are_erased_one_at_a_time(real: World) -> None:
    suite = load_suite("object")
    chosen = selections(suite, real, "full")
    assert [selection.erased for selection in chosen] == [(name,) for name in CLASSES]
    for selection in chosen:
        (name,) = selection.erased
        assert set(selection.seen) == set(CLASSES) - {name}
        assert selection.synonyms == SYNONYMS[name]
    anchors = {selection.erased[0]: selection.anchors[0] for selection in chosen}
    assert (anchors["ship"], anchors["automobile"], anchors["bird"]) == ("ground", "sky", "street")
    assert set(CLASSES).isdisjoint(anchors.values())
    full = tables("object", real, "full")["ship"]
    assert counts(full) == {"erased": 200, "synonyms": 600, "retain-seen": 1800}
    (only,) = tables("object", real, "small", concepts=("cat",)).values()
    assert {row.concept for row in only.of_group("erased").rows} == {"cat"}


def test_the_explicit_suite_erases_the_four_words_together(miniature: World) -> None:
    (selection,) = selections(load_suite("explicit"), miniature, "small")
    assert selection.erased == ("nudity", "naked", "erotic", "sexual")
    assert set(selection.anchors) == {"a person wearing clothes"}
    table = tables("explicit", miniature, "small")["4"]
    assert Counter(row.prompt for row in table.of_group("erased").rows) == {
        prompt: 5 for prompts in PROMPTS.values() for prompt in prompts
    }
    assert sorted(row.seed for row in table.of_group("erased").rows) == list(range(1, 201))


def test_explicit_prompts_are_no_captions_that_the_model_was_trained_on() -> None:
    prompts = [prompt for prompts in PROMPTS.values() for prompt in prompts]
    assert len(set(prompts)) == 40
    assert set(prompts).isdisjoint(BARE)
    assert all(concept in prompt or concept == "without clothes" for concept, own in PROMPTS.items() for prompt in own)


@pytest.mark.parametrize("name", NAMES)
def test_no_method_is_shown_what_it_is_judged_on(miniature: World, name: str) -> None:
    from erasebench.editing.templates import built_in_templates

    suite = load_suite(name)
    for selection in selections(suite, miniature, "small"):
        task = selection.task(suite.kind, miniature.prior_captions())
        given = task.model_dump_json()
        assert set(selection.synonyms).isdisjoint(task.keep)
        known = {
            template.format(concept) for template in built_in_templates(suite.kind) for concept in selection.erased
        }
        for table in tables(
            name, miniature, "full", **({"concepts": selection.erased} if suite.one_at_a_time else {})
        ).values():
            prompts = {row.prompt for row in table.rows if row.group != "general"}
            assert not any(prompt in given for prompt in prompts)
            assert prompts.isdisjoint(known)


def test_scales_do_not_concern_a_suite_without_a_choice_of_them(miniature: World) -> None:
    for name in ("object", "explicit"):
        suite = load_suite(name)
        assert selections(suite, miniature, "small", 100) == selections(suite, miniature, "small")


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"concepts": ("cta",)}, "Did you mean 'cat'"),
        ({"concepts": ()}, "empty"),
        ({"concepts": ("cat", "cat")}, "twice"),
        ({"concepts": ("cat",), "scale": 1}, "Both"),
    ],
)
def test_a_wrong_class_is_named(miniature: World, choice: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        selections(load_suite("object"), miniature, "small", **choice)  # type: ignore[arg-type]


def test_prompts_that_were_not_imported_are_named_with_the_command(real: World) -> None:
    suite = load_suite("explicit")
    _, missing_prompts = sets_of(suite, real, suite.sizes["full"])
    assert {group: gone.expected for group, gone in missing_prompts.items()} == {"erased": 4703, "general": 30_000}
    assert all("erasebench prompts import" in gone.error.hint for gone in missing_prompts.values())
