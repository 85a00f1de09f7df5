"""The painter: deterministic, and what it says about a picture is what is on it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from erasebench.worlds.miniature import concept_lists, general, painter
from erasebench.worlds.miniature.lab.train.label_vocabulary import spans
from erasebench.worlds.miniature.painter import captions
from erasebench.worlds.miniature.painter.mannequin import REGIONS
from erasebench.worlds.miniature.painter.picture import Picture
from erasebench.worlds.protocol import CLASSES, EXPLICIT

GENERATED = Path(__file__).parents[1] / "data" / "painted.png"
"""A row for each kind of picture; `python -m tests.worlds.test_miniature_painter` writes it again and prints SAID."""
KINDS: dict[str, Callable[[np.random.Generator], Picture]] = {
    "person": lambda generator: painter.paint_person(None, None, generator),
    "style": lambda generator: painter.paint_style(None, generator),
    "object": lambda generator: painter.paint_object(None, generator),
    "mannequin": lambda generator: painter.paint_mannequin(None, generator),
    "general": painter.paint_general,
}
SEEDS = range(100, 106)
SAID = "34056fbf1a784feec6aafda90cd53374e544ee9ac823b6e7d04906c537054d5d"


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def said(pictures: list[Picture]) -> str:
    """Digest of captions, labels and masks."""
    masks = [{name: mask.tobytes().hex() for name, mask in one.masks.items()} for one in pictures]
    given = [[one.caption, dataclasses.asdict(one.labels)] for one in pictures]
    return hashlib.sha256(json.dumps([given, masks], default=float).encode()).hexdigest()


def test_the_painter_paints_what_the_model_was_trained_on() -> None:
    golden = np.asarray(Image.open(GENERATED)).astype(int)
    pictures = {kind: [paint(rng(seed)) for seed in SEEDS] for kind, paint in KINDS.items()}
    for row, (kind, painted) in enumerate(pictures.items()):
        for column, picture in enumerate(painted):
            kept = golden[64 * row : 64 * (row + 1), 64 * column : 64 * (column + 1)]
            # Another processor's rounding may move a value by one level; a stroke moves hundreds by many.
            different = np.abs(picture.image.astype(int) - kept) > 2
            assert different.mean() < 0.001, (kind, SEEDS[column])
    assert said([picture for painted in pictures.values() for picture in painted]) == SAID


@pytest.mark.parametrize("seed", range(12))
def test_same_seed_paints_the_same_picture(seed: int) -> None:
    first, second = painter.paint_any(rng(seed)), painter.paint_any(rng(seed))
    assert first.caption == second.caption
    assert first.labels == second.labels
    np.testing.assert_array_equal(first.image, second.image)
    assert first.masks.keys() == second.masks.keys()


@pytest.mark.parametrize("index", range(5))
def test_person_under_each_evaluation_template(index: int) -> None:
    someone = concept_lists.people()[17]
    picture = painter.paint_person(someone.name, index, rng(index))
    assert picture.caption == captions.PERSON[index][0].format(someone.name)
    assert picture.labels.attributes == someone.attributes
    assert picture.image.shape == (64, 64, 3)
    assert 0.2 < picture.masks["person"].mean() < 0.9
    assert not (picture.masks["face"] & ~picture.masks["person"]).any()


def test_face_mask_lies_where_the_skin_is() -> None:
    someone = next(
        p for p in concept_lists.people() if p.attributes["skin"] == "porcelain" and p.attributes["beard"] == "none"
    )
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
    names = [member.name for member in (*concept_lists.people(), *concept_lists.artists())]
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
    someone = concept_lists.people()[0]
    found = spans(f"A sketch of {someone.name} with a red automobile")
    labels = {label for _, _, meant in found for label in meant}
    assert {f"who={someone.name}", "setting=sketch", "object=automobile", "colour=red"} <= labels
    assert not any(label.startswith("who=") and someone.name not in label for label in labels)


if __name__ == "__main__":
    made = [[paint(rng(seed)) for seed in SEEDS] for paint in KINDS.values()]
    Image.fromarray(np.concatenate([np.concatenate([one.image for one in row], 1) for row in made])).save(GENERATED)
    print(said([picture for row in made for picture in row]))
