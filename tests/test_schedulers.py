"""Whatever scheduler a model was saved with, it is sampled as Stable Diffusion's pipeline would sample it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import diffusers
import pytest
from diffusers import DDIMScheduler, SchedulerMixin, StableDiffusionPipeline

from erasebench.diffusion.profile import NumericsProfile
from erasebench.diffusion.sampling import Sampler, SampleSpec
from erasebench.diffusion.schedulers import build_scheduler, resolved
from erasebench.errors import UserError
from erasebench.families.loading import quiet
from erasebench.worlds.miniature.world import MiniatureWorld
from tests.tiny_model import tiny_pipeline

BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
RELEASED = BETAS | {
    **{"clip_sample": False, "steps_offset": 1, "set_alpha_to_one": False, "timestep_spacing": "leading"},
    **{"prediction_type": "epsilon", "thresholding": False, "rescale_betas_zero_snr": False, "trained_betas": None},
    **{"num_train_timesteps": 1000},
}
"""How Stable Diffusion v1.4 is released: its DDIM, every key that decides pixels."""
SAVED = (
    *("DDIMScheduler", "PNDMScheduler", "LMSDiscreteScheduler", "EulerDiscreteScheduler", "HeunDiscreteScheduler"),
    *("EulerAncestralDiscreteScheduler", "DPMSolverMultistepScheduler", "DPMSolverSinglestepScheduler"),
    *("UniPCMultistepScheduler", "DEISMultistepScheduler", "KDPM2DiscreteScheduler", "DDPMScheduler", "LCMScheduler"),
)
GOLDEN = {
    "ddim": ["ea30f0aaeee7793c", "704999b85fd31e82", "072b667bc39680bb"],
    "dpmsolver++": ["be418abfea383a82", "5432c102592156d2", "d6c97b04c08914b6"],
}
"""SHA-256 of the miniature's images of SHOTS on an x86-64 CPU with AVX-512, batch size 4, one thread."""
SUMS = {"ddim": [1991437, 1982871, 2309553], "dpmsolver++": [1989118, 1965524, 2307214]}
"""Of their pixel values: another processor may round a few pixels to the next level."""
PIPELINE = tiny_pipeline()
SPECS = [SampleSpec("a ship at sea", 4), SampleSpec("a portrait of a man", 7), SampleSpec("a photo of a dog", 1)]


def saved_with(folder: Path, name: str, **config: Any) -> StableDiffusionPipeline:
    """The tiny pipeline with this scheduler, as it comes up from a folder."""
    kind = getattr(diffusers, name)
    folder.mkdir(exist_ok=True)
    (folder / "scheduler_config.json").write_text(json.dumps({"_class_name": name, **config}))
    pipeline = PIPELINE
    scheduler: SchedulerMixin = kind.from_pretrained(folder)
    with quiet():
        return StableDiffusionPipeline(**{**pipeline.components, "scheduler": scheduler}, requires_safety_checker=False)


@pytest.mark.parametrize("name", SAVED)
@pytest.mark.parametrize("whole", [False, True], ids=["betas-alone", "every-key-of-its-class"])
def test_ddim_is_stable_diffusions_whatever_the_model_was_saved_with(tmp_path: Path, name: str, whole: bool) -> None:
    config: dict[str, Any] = dict(BETAS)
    if whole:
        getattr(diffusers, name)(**BETAS).save_pretrained(tmp_path)
        config = json.loads((tmp_path / "scheduler_config.json").read_text(encoding="utf-8"))
    scheduler = build_scheduler("ddim", saved_with(tmp_path, name, **config))
    # DDIM and LCM call set_alpha_to_one True where their own config says nothing, and their pipeline leaves it.
    own = {"set_alpha_to_one": True} if name in ("DDIMScheduler", "LCMScheduler") else {}
    assert {key: scheduler.config[key] for key in RELEASED} == RELEASED | own


def test_what_a_model_was_trained_with_is_kept(tmp_path: Path) -> None:
    trained = BETAS | {
        "prediction_type": "v_prediction",
        "rescale_betas_zero_snr": True,
        "timestep_spacing": "trailing",
    }
    config = build_scheduler("ddim", saved_with(tmp_path, "EulerDiscreteScheduler", **trained)).config
    assert {key: config[key] for key in trained} == trained


def test_a_latent_consistency_models_own_betas_are_kept_where_its_file_leaves_them_out(tmp_path: Path) -> None:
    config = build_scheduler("ddim", saved_with(tmp_path, "LCMScheduler")).config
    assert {key: config[key] for key in BETAS} == BETAS


def test_the_betas_reach_the_scheduler_itself(tmp_path: Path) -> None:
    scheduler = build_scheduler("ddim", saved_with(tmp_path, "EulerDiscreteScheduler", **BETAS))
    expected = DDIMScheduler(**RELEASED)
    assert scheduler.alphas_cumprod.equal(expected.alphas_cumprod)
    assert scheduler.final_alpha_cumprod == expected.final_alpha_cumprod


def test_no_scheduler_adds_noise_that_is_not_the_images_own(tmp_path: Path) -> None:
    noisy = saved_with(tmp_path, "DPMSolverMultistepScheduler", algorithm_type="sde-dpmsolver++", **BETAS)
    assert build_scheduler("dpmsolver++", noisy).config["algorithm_type"] == "dpmsolver++"


@pytest.mark.parametrize("name", ["FlowMatchEulerDiscreteScheduler", "EDMEulerScheduler"])
def test_a_scheduler_of_another_process_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=f"{name}, is not a diffusion scheduler with betas"):
        build_scheduler("ddim", saved_with(tmp_path, name))


@pytest.mark.parametrize("name", ["ddim", "dpmsolver++", "euler", "euler-ancestral", "lcm"])
def test_the_config_is_the_truth_after_sampling(name: str) -> None:
    scheduler = build_scheduler(name, tiny_pipeline())
    before = resolved(scheduler)
    scheduler.set_timesteps(4)
    assert resolved(scheduler) == before
    assert json.loads(json.dumps(before, allow_nan=False)) == before
    assert not {"skip_prk_steps", "_class_name"} & before.keys()


@pytest.mark.parametrize("name", GOLDEN)
def test_the_miniature_is_sampled_as_ever(name: str) -> None:
    world = MiniatureWorld()
    pipeline = world.pipeline()
    sampler = Sampler(pipeline, world.sampling.model_copy(update={"scheduler": name}), NumericsProfile(batch_size=4))
    images = list(sampler.images(SPECS))
    digests = [hashlib.sha256(image.tobytes()).hexdigest()[:16] for image in images if image is not None]
    sums = [int(image.astype(int).sum()) for image in images if image is not None]
    assert digests == GOLDEN[name] or sums == pytest.approx(SUMS[name], rel=1e-4)
