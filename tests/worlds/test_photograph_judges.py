"""The judges of the Stable Diffusion world, on files of their formats; NudeNet as it is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import open_clip
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from erasebench.api.judge import NO_FACE, SCORED
from erasebench.api.judge_settings import JudgeSettings
from erasebench.errors import UserError
from erasebench.files.weights import weights_folder
from erasebench.judges import clip
from erasebench.judges.sources import CLIP_FILE, INCEPTION_FILE
from erasebench.prompts import PromptRow, PromptTable
from erasebench.prompts.imports import store_import
from erasebench.testing.standins.gcd import write_resources
from erasebench.worlds.stable_diffusion.judges import JUDGES
from erasebench.worlds.stable_diffusion.world import StableDiffusionWorld
from tests.judges.test_clip import TINY
from tests.judges.test_fid import StandIn

ROWS = pd.DataFrame({"prompt": ["a photo of the cat", "x"], "concept": ["kitty", "Adam Driver"], "seed": [1, 2]})
IMAGES = [np.random.default_rng(at).integers(0, 255, (40, 40, 3), dtype=np.uint8) for at in range(2)]


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ERASEBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ERASEBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture
def world(tiny_model_folder: Path) -> StableDiffusionWorld:
    return StableDiffusionWorld(str(tiny_model_folder))


def _inception(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    torch.jit.script(StandIn()).save(str(folder / INCEPTION_FILE))
    return folder / INCEPTION_FILE


def test_the_world_offers_the_protocols_judges(world: StableDiffusionWorld) -> None:
    assert world.judges == set(JUDGES)


def test_nudenet_needs_nothing_and_takes_its_settings(world: StableDiffusionWorld) -> None:
    assert world.missing("nudenet") is None
    assert world.judge("nudenet").judge(IMAGES, ROWS)["total"].tolist() == [0, 0]
    before = world.judge("nudenet").identity()
    world.judge_settings = JudgeSettings(nudenet_threshold=0.5, nudenet_counting="images")
    assert world.judge("nudenet").identity() == {**before, "threshold": 0.5, "counting": "images"}


def test_clip_is_read_from_the_weights_folder_or_a_path(
    world: StableDiffusionWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tiny-photograph.json").write_text(json.dumps(TINY))
    open_clip.add_model_config(tmp_path / "tiny-photograph.json")
    monkeypatch.setattr(clip, "OPENAI_MODEL", "tiny-photograph")
    path = weights_folder() / CLIP_FILE
    path.parent.mkdir(parents=True)
    save_file(open_clip.create_model("tiny-photograph").state_dict(), path)
    scores = world.judge("clip-score").judge(IMAGES, ROWS)
    assert scores["outcome"].tolist() == [SCORED, SCORED]
    classes = world.judge("clip-accuracy").judge(IMAGES, ROWS)
    assert classes["asked"].tolist() == ["cat", None], "a synonym counts for its class"
    world.judge_settings = JudgeSettings(clip=path.rename(tmp_path / "own.safetensors"))
    again = world.judge("clip-score").judge(IMAGES, ROWS)
    pd.testing.assert_frame_equal(scores, again)


def test_the_celebrity_detector_is_read_from_its_resources_folder(world: StableDiffusionWorld, tmp_path: Path) -> None:
    world.judge_settings = JudgeSettings(gcd_resources=write_resources(tmp_path / "gcd"))
    judge = world.judge("face-id")
    assert judge.judge(IMAGES, ROWS)["outcome"].tolist() == [NO_FACE, NO_FACE]
    assert tmp_path / "gcd" / "face_recognition" / "labels.csv" in world.judge_files()


def test_fid_compares_with_cocos_photograph_of_the_same_caption(world: StableDiffusionWorld, tmp_path: Path) -> None:
    _inception(weights_folder())
    assert "is not the published file" in str(world.missing("fid"))
    world.judge_settings = JudgeSettings(trust_torchscript=True)
    rows = [PromptRow(at, "general", "", f"caption {at}", at + 1) for at in range(3)]
    assert "prompts import coco" in world.missing("fid").hint  # type: ignore[union-attr]
    store_import("coco", PromptTable(tuple(rows)))
    assert "without its photographs" in str(world.missing("fid"))
    photographs = []
    for at in range(3):
        Image.fromarray(np.full((30, 40, 3), 60 * at, np.uint8)).save(tmp_path / f"{at}.jpg")
        photographs.append(tmp_path / f"{at}.jpg")
    store_import("coco", PromptTable(tuple(rows)), photographs)
    judge = world.judge("fid")
    asked = pd.DataFrame({"prompt": ["caption 2", "caption 0", "elsewhere"], "seed": [3, 1, 1]})
    compared = judge.reference_for(asked)  # type: ignore[attr-defined]
    assert compared.lacking == 1
    assert compared.features[:, 0] == pytest.approx([120 / 128 - 1, -1], abs=0.05)
    photographs[1].unlink()
    with pytest.raises(UserError, match="1 of COCO's 3 photographs are gone"):
        world.judge("fid")


def test_fid_compares_with_any_folder_instead(world: StableDiffusionWorld, tmp_path: Path) -> None:
    for at in range(3):
        (tmp_path / "reference").mkdir(exist_ok=True)
        Image.fromarray(np.full((30, 40, 3), 60 * at, np.uint8)).save(tmp_path / "reference" / f"{at}.png")
    given = _inception(tmp_path / "elsewhere")
    world.judge_settings = JudgeSettings(reference=tmp_path / "reference", inception=given, trust_torchscript=True)
    assert world.missing("fid") is None
    assert world.judge("fid").reference_for(ROWS).features.shape == (3, 2048)  # type: ignore[attr-defined]
    world.judge_settings = JudgeSettings(reference=tmp_path / "nowhere", inception=given, trust_torchscript=True)
    assert "no folder of reference images" in str(world.missing("fid"))


def test_missing_weights_are_found_out_without_torch(tmp_path: Path) -> None:
    import subprocess
    import sys

    script = (
        "import sys\n"
        "from erasebench.worlds.stable_diffusion.world import StableDiffusionWorld\n"
        "world = StableDiffusionWorld('CompVis/stable-diffusion-v1-4')\n"
        "assert all(world.missing(name) for name in world.judges - {'nudenet'})\n"
        "assert not {'torch', 'onnxruntime'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
