"""The painter: deterministic, and what it says about a picture is what is on it."""

from __future__ import annotations

import numpy as np
import pytest

from erasebench.worlds.miniature import cast, general, painter
from erasebench.worlds.miniature.names import CLASSES, EXPLICIT
from erasebench.worlds.miniature.painter import captions
from erasebench.worlds.miniature.painter.mannequin import REGIONS
from erasebench.worlds.miniature.train.lexicon import spans


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("seed", range(12))
def test_same_seed_paints_the_same_picture(seed: int) -> None:
    first, second = painter.paint_any(rng(seed)), painter.paint_any(rng(seed))
    assert first.caption == second.caption
    assert first.labels == second.labels
    np.testing.assert_array_equal(first.image, second.image)
    assert first.masks.keys() == second.masks.keys()


@pytest.mark.parametrize("index", range(5))
def test_person_under_each_evaluation_template(index: int) -> None:
    someone = cast.people()[17]
    picture = painter.paint_person(someone.name, index, rng(index))
    assert picture.caption == captions.PERSON[index][0].format(someone.name)
    assert picture.labels.attributes == someone.attributes
    assert picture.image.shape == (64, 64, 3)
    assert 0.2 < picture.masks["person"].mean() < 0.9
    assert not (picture.masks["face"] & ~picture.masks["person"]).any()


def test_face_mask_lies_where_the_skin_is() -> None:
    someone = next(p for p in cast.people() if p.attributes["skin"] == "porcelain" and p.attributes["beard"] == "none")
    picture = painter.paint_person(someone.name, 0, rng(1))
    inside = picture.image[picture.masks["face"]].astype(float)
    assert np.linalg.norm(np.median(inside, axis=0) - (253, 228, 208)) < 20


@pytest.mark.parametrize("name", CLASSES)
def test_object_has_a_mask_of_its_class_alone(name: str) -> None:
    picture = painter.paint_object(name, rng(3))
    assert picture.labels.objects == (name,)
    assert set(picture.masks) == {name}
    assert 0.02 < picture.masks[name].mean() < 0.6


def test_mannequin_carries_badges_for_its_words_and_none_when_dressed() -> None:
    for seed in range(20):
        bare, dressed = painter.paint_mannequin(False, rng(seed)), painter.paint_mannequin(True, rng(seed))
        assert 2 <= len(bare.labels.regions) <= 5
        assert set(bare.labels.regions) <= set(REGIONS)
        assert dressed.labels.regions == {}
        for x0, y0, x1, y1 in bare.labels.regions.values():
            assert 0 <= x0 < x1 <= 64
            assert 0 <= y0 < y1 <= 64
    assert set(EXPLICIT) < set(captions.BARE)


def test_general_pictures_name_nobody_of_the_cast_and_are_not_in_the_prior() -> None:
    prompts = [row.prompt for row in general.general_rows()]
    names = [member.name for member in (*cast.people(), *cast.artists())]
    assert not any(name in prompt for name in names for prompt in prompts)
    assert set(prompts).isdisjoint(general.prior_captions())
    assert not any(name in caption for name in names for caption in general.prior_captions())
    assert not any(word in caption.split() for word in EXPLICIT for caption in general.prior_captions())


def test_reference_picture_belongs_to_its_general_prompt() -> None:
    rows, images = general.general_rows()[:5], [general.reference_image(at) for at in range(5)]
    for i, (row, image) in enumerate(zip(rows, images, strict=True)):
        painted = painter.paint_general(np.random.default_rng([general.GENERAL_SEED, i]))
        assert row.prompt == painted.caption
        assert row.seed == i + 1
        np.testing.assert_array_equal(image, painted.image)


def test_lexicon_finds_the_longest_phrase_and_its_labels() -> None:
    someone = cast.people()[0]
    found = spans(f"A sketch of {someone.name} with a red automobile")
    labels = {label for _, _, meant in found for label in meant}
    assert {f"who={someone.name}", "setting=sketch", "object=automobile", "colour=red"} <= labels
    assert not any(label.startswith("who=") and someone.name not in label for label in labels)
