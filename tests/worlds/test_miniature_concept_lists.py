"""The concept lists: 240 invented people and artists, distinct to the eye, some of them sharing names across roles."""

from __future__ import annotations

import itertools
import json
from collections import Counter

import pytest

from erasebench.worlds.miniature import concept_lists
from erasebench.worlds.miniature.world import MiniatureWorld


def test_committed_cast_is_what_the_recipe_makes() -> None:
    assert json.loads(concept_lists.LISTS_FILE.read_text(encoding="utf-8")) == concept_lists.make_lists()


@pytest.mark.parametrize("members", [concept_lists.people(), concept_lists.artists()], ids=["people", "artists"])
def test_each_list_has_240_distinct_names_in_the_protocols_roles(
    members: tuple[concept_lists.Person | concept_lists.Artist, ...],
) -> None:
    assert len({member.name for member in members}) == 240
    assert Counter(member.role for member in members) == concept_lists.ROLES


def test_any_two_people_differ_in_at_least_four_visible_attributes() -> None:
    pairs = itertools.combinations(concept_lists.people(), 2)
    assert min(concept_lists.difference(a.attributes, b.attributes) for a, b in pairs) >= 4


def test_no_two_artists_share_palette_and_stroke() -> None:
    assert len({(artist.palette, artist.stroke) for artist in concept_lists.artists()}) == 240


def test_about_a_third_of_the_people_share_a_word_of_their_name_with_another_role() -> None:
    roles: dict[str, set[str]] = {}
    for person in concept_lists.people():
        for word in person.name.split():
            roles.setdefault(word, set()).add(person.role)
    sharing = sum(any(len(roles[word]) > 1 for word in person.name.split()) for person in concept_lists.people())
    assert 0.25 <= sharing / 240 <= 0.45


def test_world_gives_prefix_ordered_lists_by_kind_and_role() -> None:
    world = MiniatureWorld()
    erased = world.concept_lists.names("person", "erase")
    assert len(erased) == 100
    assert erased == tuple(person.name for person in concept_lists.people()[:100])
    assert len(world.concept_lists.names("style", "retain")) == 100
    assert len(world.concept_lists.names("person", "validation-erase")) == 20
