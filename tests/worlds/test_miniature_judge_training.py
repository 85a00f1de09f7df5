from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from erasebench.worlds.miniature import concept_lists, painter
from erasebench.worlds.miniature.judges import recogniser as judge
from erasebench.worlds.miniature.judges.attributes import HEADS, PRESENCE
from erasebench.worlds.miniature.lab.train import recogniser
from erasebench.worlds.miniature.lab.train.attributes import head_targets, presence_targets
from erasebench.worlds.miniature.lab.train.augment import degrade, warp
from erasebench.worlds.miniature.lab.train.pictures import mixture, paint_pictures

CPU = torch.device("cpu")


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _pictures(n: int = 12) -> torch.Tensor:
    data = paint_pictures(n, 3, painter.paint_any)
    return torch.from_numpy(data.images).permute(0, 3, 1, 2).float() / 127.5 - 1


def test_a_picture_depends_on_the_seed_and_its_number_alone() -> None:
    few, more = paint_pictures(4, 7, painter.paint_any), paint_pictures(9, 7, painter.paint_any)
    assert np.array_equal(few.images, more.images[:4])
    assert few.captions == more.captions[:4]
    assert not np.array_equal(few.images, paint_pictures(4, 8, painter.paint_any).images)


def test_every_second_picture_is_seen_through_the_autoencoder() -> None:
    batches = []

    def reconstruct(images: np.ndarray) -> np.ndarray:
        assert images.dtype == np.uint8 and images.shape[1:] == (64, 64, 3)
        batches.append(len(images))
        return 255 - images

    plain = paint_pictures(135, 7, painter.paint_any)
    seen = paint_pictures(135, 7, painter.paint_any, reconstruct=reconstruct)
    assert np.array_equal(seen.images[::2], plain.images[::2])
    assert np.array_equal(seen.images[1::2], 255 - plain.images[1::2])
    assert batches == [64, 3]


def test_masks_lie_on_the_parts_that_were_asked_for() -> None:
    data = paint_pictures(20, 7, painter.paint_any, parts=("person", "face"))
    person, face = data.masks[:, 0], data.masks[:, 1]
    shown = np.array([labels.face for labels in data.labels])
    assert data.masks.dtype == bool and data.masks.shape == (20, 2, 64, 64)
    assert (person.sum((1, 2)) > 0).tolist() == shown.tolist()
    assert (face.sum((1, 2))[shown] > 100).all()


def test_a_mixture_draws_its_kinds_in_their_shares() -> None:
    paint = mixture(
        {lambda rng: painter.paint_object("ship", rng): 3.0, lambda rng: painter.paint_mannequin(True, rng): 1}
    )
    scenes = [paint(np.random.default_rng(at)).labels.scene for at in range(200)]
    assert 130 <= scenes.count("object") <= 170
    assert scenes.count("object") + scenes.count("mannequin") == 200


def test_warp_moves_picture_and_mask_together() -> None:
    disc = (torch.arange(64)[:, None] - 30) ** 2 + (torch.arange(64)[None] - 36) ** 2 < 150
    both = disc.float().expand(8, 2, 64, 64).clone()
    moved = warp(both, _generator())
    assert torch.equal(moved[:, 0], moved[:, 1])
    assert all(not torch.allclose(one[0], disc.float(), atol=0.1) for one in moved)
    kept = (moved[:, 0] > 0.5).sum((1, 2)) / disc.sum()
    assert ((kept > 0.6) & (kept < 1.6)).all()


def test_degraded_pictures_are_still_those_pictures_and_stay_in_range() -> None:
    x = _pictures()
    y = degrade(x, _generator())
    assert y.shape == x.shape and y.abs().max() <= 1
    nearest = torch.cdist(y.flatten(1), x.flatten(1)).argmin(1)
    assert nearest.tolist() == list(range(len(x)))
    assert (y - x).abs().mean() > 0.02


def test_the_same_generator_gives_the_same_training_picture() -> None:
    x = _pictures(4)
    one, two = (degrade(warp(x, g), g) for g in (_generator(5), _generator(5)))
    assert torch.equal(one, two)
    other = _generator(6)
    assert not torch.equal(one, degrade(warp(x, other), other))


def test_a_wiped_face_is_one_uneven_colour_and_nothing_else_changes() -> None:
    x = _pictures(3)
    masks = torch.zeros(3, 1, 64, 64, dtype=torch.bool)
    masks[:2, :, 20:40, 20:40] = True
    wiped = recogniser.wipe_faces(x, masks, _generator())
    assert torch.equal(wiped[2], x[2])
    assert torch.equal(wiped[:, :, :20], x[:, :, :20])
    assert wiped[:2, :, 20:40, 20:40].flatten(2).std(2).max() < 0.2


def test_the_reader_is_taught_what_a_portrait_shows() -> None:
    person = concept_lists.people()[0]
    labels = painter.paint_person(person.name, 0, np.random.default_rng(0)).labels
    answers = dict(zip(HEADS, head_targets(labels), strict=True))
    assert {name: HEADS[name][answers[name]] for name in concept_lists.ATTRIBUTES} == person.attributes
    assert HEADS["palette"][answers["palette"]] == HEADS["stroke"][answers["stroke"]] == "none"
    assert [q for q, there in zip(PRESENCE, presence_targets(labels), strict=True) if there] == ["face"]


def test_the_reader_is_taught_an_artists_hand_but_no_attributes() -> None:
    artist = concept_lists.artists()[3]
    labels = painter.paint_style(artist.name, np.random.default_rng(0)).labels
    answers = dict(zip(HEADS, head_targets(labels), strict=True))
    assert all(answers[name] == -1 for name in concept_lists.ATTRIBUTES)
    assert (HEADS["palette"][answers["palette"]], HEADS["stroke"][answers["stroke"]]) == (artist.palette, artist.stroke)
    assert sum(presence_targets(labels)) == 0


@pytest.mark.parametrize("dressed", [True, False])
def test_the_reader_is_taught_the_badges_on_the_mannequin(dressed: bool) -> None:
    labels = painter.paint_mannequin(dressed, np.random.default_rng(0)).labels
    there = {q for q, yes in zip(PRESENCE, presence_targets(labels), strict=True) if yes}
    assert there == {"mannequin", *labels.regions}
    assert bool(labels.regions) != dressed


def test_training_twice_gives_the_same_weights(tmp_path: Path) -> None:
    for folder in ("once", "again"):
        recogniser.train(tmp_path / folder, CPU, steps=2, pictures=16)
    once, again = ((tmp_path / folder / judge.FILE).read_bytes() for folder in ("once", "again"))
    assert once == again
