"""Grounding DINO + SAM on random weights of their real formats: what is found, what is not, and what cannot run."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import erasebench
from erasebench.errors import UserError
from erasebench.segmenters.grounded_sam import GroundedSam, detection_text
from erasebench.segmenters.weights import DETECTOR, MASKER, THRESHOLD, Source, grounded_sam_digest, locate, locate_both
from erasebench.testing.standins.segmenters import write_detector, write_masker
from erasebench.worlds.stable_diffusion.world import StableDiffusionWorld

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Treat them as read-only: detectors that find all ten queries, some, none; both kinds of masker."""
    root = tmp_path_factory.mktemp("segmenters")
    return {
        "all": write_detector(root / "all", 0.9),
        "some": write_detector(root / "some", 0.25),
        "none": write_detector(root / "none", 0.02),
        "sam": write_masker(root / "sam"),
        "sam_hq": write_masker(root / "sam_hq", high_quality=True),
    }


def picture(seed: int, width: int = 56, height: int = 40) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("masker", ["sam", "sam_hq"])
def test_each_box_has_a_mask_of_the_images_size_best_first(folders: dict[str, Path], masker: str) -> None:
    (found,) = GroundedSam(folders["all"], folders[masker], CPU).segment([picture(0)], "Ada Thorne")
    assert found.masks.shape == (10, 40, 56)
    assert found.masks.dtype == np.bool_
    assert all(0 < mask.mean() < 1 for mask in found.masks)
    scores = [box.score for box in found.boxes]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) > 1
    assert all(0 <= box.x0 < box.x1 <= 56 and 0 <= box.y0 < box.y1 <= 40 for box in found.boxes)


def test_the_maskers_answer_to_the_boxes_order(folders: dict[str, Path]) -> None:
    """Mask i belongs to box i: segmenting the reversed list of boxes gives the reversed masks."""
    segmenter = GroundedSam(folders["all"], folders["sam"], CPU)
    (found,) = segmenter.segment([picture(0)], "Ada")
    reversed_masks = segmenter._masks(picture(0), found.boxes[::-1])
    np.testing.assert_array_equal(reversed_masks[::-1], found.masks)
    assert len({mask.tobytes() for mask in found.masks}) > 1


def test_what_scores_below_the_threshold_is_not_found(folders: dict[str, Path]) -> None:
    (found,) = GroundedSam(folders["some"], folders["sam"], CPU).segment([picture(0)], "Ada")
    assert 0 < len(found.boxes) < 10
    assert all(box.score > THRESHOLD for box in found.boxes)
    assert len(found.masks) == len(found.boxes)


def test_nothing_found_is_an_empty_segmentation(folders: dict[str, Path]) -> None:
    found = GroundedSam(folders["none"], folders["sam"], CPU).segment([picture(0), picture(1, 30, 20)], "Ada")
    assert [(one.boxes, one.masks.shape) for one in found] == [([], (0, 40, 56)), ([], (0, 20, 30))]


def test_an_images_masks_depend_on_no_other_image(folders: dict[str, Path]) -> None:
    segmenter = GroundedSam(folders["all"], folders["sam"], CPU)
    together = segmenter.segment([picture(0), picture(1, 30, 20)], "Ada")
    (alone,) = segmenter.segment([picture(1, 30, 20)], "Ada")
    assert together[1].boxes == alone.boxes
    np.testing.assert_array_equal(together[1].masks, alone.masks)


def test_any_mode_of_image_is_read(folders: dict[str, Path]) -> None:
    segmenter = GroundedSam(folders["all"], folders["sam"], CPU)
    plain, transparent = segmenter.segment([picture(0), picture(0).convert("RGBA")], "Ada")
    np.testing.assert_array_equal(plain.masks, transparent.masks)


@pytest.mark.parametrize(
    ("phrase", "text"),
    [("Adam Driver", "adam driver."), ("J.R.R. Tolkien", "j r r tolkien."), ("a dog. ", "a dog.")],
)
def test_a_dot_would_part_a_name_in_two(phrase: str, text: str) -> None:
    assert detection_text(phrase) == text


def test_the_digest_is_of_the_files_not_of_the_place(folders: dict[str, Path], tmp_path: Path) -> None:
    known = grounded_sam_digest(folders["all"], folders["sam"])
    assert GroundedSam(folders["all"], folders["sam"], CPU).digest == known
    copied = shutil.copytree(folders["sam"], tmp_path / "copied")
    assert grounded_sam_digest(folders["all"], copied) == known
    rewrite(copied, lambda tensors: tensors[min(tensors)].add_(1))
    others = {grounded_sam_digest(folders["all"], copied), grounded_sam_digest(folders["none"], folders["sam"])}
    assert len(others | {known}) == 3


def rewrite(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:50])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: rewrite(folder, lambda tensors: tensors.pop(min(tensors))), r"missing weight \S+"),
        (lambda folder: rewrite(folder, lambda t: t.update({min(t): torch.zeros(3, 5)})), r"mismatched weight \S+"),
        (lambda folder: cut(folder / "model.safetensors"), "cannot be loaded"),
        (lambda folder: cut(folder / "config.json"), "cannot be read"),
        (lambda folder: (folder / "config.json").write_text('{"model_type": "sam2"}'), "a model of type 'sam2'"),
        (lambda folder: cut(folder / "processor_config.json"), "no readable processor"),
    ],
)
def test_a_broken_folder_is_named(
    folders: dict[str, Path], tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    broken = shutil.copytree(folders["sam"], tmp_path / "broken")
    damage(broken)
    with pytest.raises(UserError, match=message) as caught:
        GroundedSam(folders["all"], broken, CPU)
    assert str(broken) in caught.value.what


@pytest.fixture
def no_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty hub cache, and none of the variables set."""
    cache = tmp_path / "hub"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    for source in (DETECTOR, MASKER):
        monkeypatch.delenv(source.variable, raising=False)
    return cache


@pytest.mark.parametrize("source", [DETECTOR, MASKER], ids=["detector", "masker"])
def test_missing_weights_are_named_with_licence_and_command(source: Source, no_cache: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        locate(source, tmp_path)
    assert source.hub_id in caught.value.what
    assert "Apache-2.0" in caught.value.what
    assert f"hf download {source.hub_id}" in caught.value.hint
    assert source.variable in caught.value.hint


def test_all_that_is_missing_is_named_at_once(folders: dict[str, Path], no_cache: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Grounding DINO.*SAM") as caught:
        locate_both(tmp_path)
    assert caught.value.hint.count("hf download") == 2
    shutil.copytree(folders["all"], tmp_path / "grounding-dino-tiny")
    shutil.copytree(folders["sam"], tmp_path / "sam-vit-huge")
    assert [folder.name for folder in locate_both(tmp_path)] == ["grounding-dino-tiny", "sam-vit-huge"]


def test_weights_are_found_where_the_command_puts_them(
    folders: dict[str, Path], no_cache: Path, tmp_path: Path
) -> None:
    put = shutil.copytree(folders["all"], tmp_path / "grounding-dino-tiny")
    assert locate(DETECTOR, tmp_path) == put
    (put / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"no model\.safetensors"):
        locate(DETECTOR, tmp_path)


def test_weights_are_found_in_the_hubs_cache(folders: dict[str, Path], no_cache: Path, tmp_path: Path) -> None:
    repository = no_cache / "models--facebook--sam-vit-huge"
    snapshot = shutil.copytree(folders["sam"], repository / "snapshots" / "0123abcd")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123abcd")
    assert locate(MASKER, tmp_path) == snapshot


def test_the_variable_names_a_folder_or_another_id(
    folders: dict[str, Path], no_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MASKER.variable, str(folders["sam_hq"]))
    assert locate(MASKER, tmp_path) == folders["sam_hq"]
    monkeypatch.setenv(MASKER.variable, str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="nowhere is not a folder of SAM's weights"):
        locate(MASKER, tmp_path)
    monkeypatch.setenv(MASKER.variable, "somebody/another-sam")
    with pytest.raises(UserError, match="somebody/another-sam") as caught:
        locate(MASKER, tmp_path)
    assert "Apache" not in caught.value.what


@pytest.mark.parametrize(("detector", "outcome"), [("all", "found"), ("none", "whole-image")])
def test_mace_on_people_runs_in_the_stable_diffusion_world(
    folders: dict[str, Path],
    no_cache: Path,
    tmp_path: Path,
    tiny_model_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    detector: str,
    outcome: str,
) -> None:
    monkeypatch.setenv(DETECTOR.variable, str(folders[detector]))
    monkeypatch.setenv(MASKER.variable, str(folders["sam"]))
    sizes = {"n_images": 2, "data_steps": 1, "steps": 1, "prompts_per_concept": 2, "domain_prompts": 1}
    summary = erasebench.run(
        method="mace",
        suite="celebrity",
        world="stable-diffusion-v1-4",
        model=str(tiny_model_folder),
        scale=1,
        limit=1,
        settings={f"mace.{name}": value for name, value in sizes.items()},
        baselines="none",
        out=tmp_path / "board",
        runs_folder=tmp_path / "runs",
    )
    assert summary.failures == {}
    (record,) = summary.records
    assert record.manifest.digests["segmenter"] == grounded_sam_digest(folders[detector], folders["sam"])
    (erasure,) = (tmp_path / "runs").rglob("erasure.json")
    assert f'"{outcome}": 2' in erasure.read_text()


def test_the_world_counts_the_segmenters_files_among_its_own(
    folders: dict[str, Path], no_cache: Path, tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = StableDiffusionWorld(str(tiny_model_folder))
    with pytest.raises(UserError, match="segmenter needs Grounding DINO"):
        world.segmenter_digest()
    before = set(world.judge_files())
    monkeypatch.setenv(DETECTOR.variable, str(folders["all"]))
    monkeypatch.setenv(MASKER.variable, str(folders["sam"]))
    assert world.segmenter_digest() == world.segmenter().digest
    weights = {folders[name] / "model.safetensors" for name in ("all", "sam")}
    assert weights <= set(world.judge_files()) - before
