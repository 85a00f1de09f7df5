"""Training images and masks: painted once, cached, every outcome of the detection counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from erasebench.api.concepts import Concept
from erasebench.api.method import Box, Segmentation
from erasebench.errors import UserError
from erasebench.methods.mace import MaceConfig
from erasebench.methods.mace.data import combined_mask, prepare
from tests.methods.mace.workspace import PEOPLE, TestWorkspace, middle
from tests.tiny_model import tiny_pipeline

CONFIG = MaceConfig(n_images=2, concepts_per_batch=2)


@pytest.fixture
def workspace(tmp_path: Path) -> TestWorkspace:
    return TestWorkspace(tiny_pipeline(), tmp_path)


def segmentation() -> Segmentation:
    """A strong small box with two pieces, a weak large one, and one below the threshold."""
    masks = np.zeros((3, 12, 12), dtype=bool)
    masks[0, 1:3, 1:3] = True
    masks[0, 5:9, 5:9] = True
    masks[0, 6:8, 6:8] = False
    masks[1, :, :6] = True
    masks[2] = True
    return Segmentation([Box(1, 1, 9, 9, 0.9), Box(0, 0, 6, 12, 0.5), Box(0, 0, 12, 12, 0.1)], masks)


def test_each_concept_is_painted_with_the_protocols_prompt(workspace: TestWorkspace) -> None:
    prepared = prepare(PEOPLE.concepts, CONFIG, workspace)
    assert workspace.sampled == [f"a photo of the {c.name}" for c in PEOPLE.concepts for _ in range(2)]
    assert [len(own.images) for own in prepared] == [2, 2, 2]
    assert all(own.outcomes == ["found", "found"] for own in prepared)
    np.testing.assert_array_equal(prepared[0].masks[0], middle(16).masks[0])


def test_images_do_not_depend_on_the_other_concepts(workspace: TestWorkspace, tmp_path: Path) -> None:
    together = prepare(PEOPLE.concepts, CONFIG, workspace)
    alone = prepare(PEOPLE.concepts[2:], CONFIG, TestWorkspace(workspace.pipeline, tmp_path / "other"))
    for one, other in zip(together[2].images, alone[0].images, strict=True):
        assert np.abs(np.asarray(one, dtype=int) - np.asarray(other, dtype=int)).max() <= 1


def test_a_second_call_paints_and_segments_nothing(workspace: TestWorkspace) -> None:
    first = prepare(PEOPLE.concepts, CONFIG, workspace)
    sampled, segmented = len(workspace.sampled), workspace.segmented
    second = prepare(PEOPLE.concepts, CONFIG, workspace)
    assert (len(workspace.sampled), workspace.segmented) == (sampled, segmented)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.masks, other.masks)
        np.testing.assert_array_equal(np.asarray(one.images[0]), np.asarray(other.images[0]))


def test_only_what_a_killed_run_lacks_is_painted_again(workspace: TestWorkspace) -> None:
    first = prepare(PEOPLE.concepts, CONFIG, workspace)
    workspace.sampled.clear()
    victim = min(workspace.folder.rglob("image-1.png"))
    victim.unlink()
    second = prepare(PEOPLE.concepts, CONFIG, workspace)
    assert len(workspace.sampled) == 1
    for one, other in zip(first, second, strict=True):
        for image, again in zip(one.images, other.images, strict=True):
            assert np.abs(np.asarray(image, dtype=int) - np.asarray(again, dtype=int)).max() <= 1


def test_a_damaged_image_is_named_and_made_anew(workspace: TestWorkspace, caplog: pytest.LogCaptureFixture) -> None:
    prepare(PEOPLE.concepts, CONFIG, workspace)
    victim = min(workspace.folder.rglob("image-1.png"))
    before = victim.read_bytes()
    victim.write_bytes(b"not a picture")
    prepare(PEOPLE.concepts, CONFIG, workspace)
    assert victim.read_bytes() == before
    assert f"{victim} was changed after it was written" in caplog.text


def test_a_style_trains_on_the_whole_image_and_asks_no_segmenter(workspace: TestWorkspace) -> None:
    (prepared,) = prepare([Concept(name="Ira Vo", kind="style", anchor="art")], CONFIG, workspace)
    assert workspace.sampled == ["a photo in the style of Ira Vo"] * 2
    assert workspace.segmented == 0
    assert prepared.masks.all()
    assert prepared.outcomes == ["no-mask-needed"] * 2


def test_where_nothing_is_found_the_rule_decides(workspace: TestWorkspace) -> None:
    workspace.finds = False
    (prepared,) = prepare(PEOPLE.concepts[:1], CONFIG, workspace)
    assert prepared.outcomes == ["whole-image"] * 2
    assert prepared.masks.all()


@pytest.mark.parametrize("rule", ["drop", "error"])
def test_a_concept_found_nowhere_is_named(workspace: TestWorkspace, rule: str) -> None:
    workspace.finds = False
    config = MaceConfig(n_images=2, on_no_detection=rule)
    with pytest.raises(UserError, match="'Ada Thorne' was (not )?found on"):
        prepare(PEOPLE.concepts, config, workspace)


def test_the_union_takes_every_box_above_the_threshold() -> None:
    found = segmentation()
    mask = combined_mask(found, MaceConfig(boxes="union"))
    np.testing.assert_array_equal(mask, found.masks[0] | found.masks[1])


def test_the_best_box_gives_its_largest_contour_filled() -> None:
    expected = np.zeros((12, 12), dtype=bool)
    expected[5:9, 5:9] = True
    np.testing.assert_array_equal(combined_mask(segmentation(), MaceConfig(boxes="best")), expected)


def test_boxes_below_the_threshold_count_as_nothing_found() -> None:
    assert combined_mask(segmentation(), MaceConfig(detection_threshold=0.95)) is None
