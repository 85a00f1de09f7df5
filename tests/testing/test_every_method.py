"""Every registered method conforms, ours by the same kit that third parties use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from erasebench.api.method import METHODS
from erasebench.api.world import SamplingDefaults
from erasebench.diffusion.profile import NumericsProfile
from erasebench.diffusion.sampling import Sampler, SampleSpec
from erasebench.testing import CHECKS, Candidate, tiny_pipeline
from erasebench.testing.model import WIDTH

TRAINED = {"steps": 2, "batch_size": 2}
PARTIAL_RUNS = {**TRAINED, "ddim_steps": 4}
# Small enough for a toy: everything else is each method's own recipe.
SMALL: dict[str, dict[str, Any]] = {
    "ca": {**TRAINED, "n_images": 2},
    "esd-u": PARTIAL_RUNS,
    "esd-x": PARTIAL_RUNS,
    "esd-x-strict": PARTIAL_RUNS,
    "fmn": {**TRAINED, "n_images": 2},
    "mace": {"n_images": 2, "prompts_per_concept": 2, "domain_prompts": 2, "steps": 2},
    "salun": {**TRAINED, "n_images": 2},
    "spm": PARTIAL_RUNS,
}
NAMES = sorted(name for name in METHODS.names() if METHODS.load(name).name == name)
"""Each method once, whatever other names it goes by."""


DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]


@pytest.fixture(scope="module", params=DEVICES)
def candidates(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Candidate]:
    """What was erased so far on a device, by method."""
    return candidates_on(request.param, tmp_path_factory.mktemp("theirs"))


def candidates_on(device: str, folder: Path) -> dict[str, Candidate]:
    """Every method once, on a model of its own on `device`."""
    theirs = folder / "edit.safetensors"
    name, value = next(
        (name, value) for name, value in tiny_pipeline().unet.named_parameters() if name.endswith("attn2.to_v.weight")
    )
    save_file({name: value.detach() * 2}, theirs)
    return {
        name: Candidate(
            name,
            SMALL.get(name, {"path": theirs} if name == "checkpoint" else None),
            tiny_pipeline().to(torch.device(device)),
        )
        for name in NAMES
    }


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("check", CHECKS)
def test_it_conforms(candidates: dict[str, Candidate], name: str, check: Callable[[Candidate], None]) -> None:
    check(candidates[name])


@pytest.mark.parametrize("name", NAMES)
def test_it_erases_a_model_that_predicts_v(tmp_path: Path, name: str) -> None:
    candidate = candidates_on("cpu", tmp_path)[name]
    pipeline = candidate.pipeline
    pipeline.scheduler = type(pipeline.scheduler).from_config(pipeline.scheduler.config, prediction_type="v_prediction")
    erasure = candidate.erased().erasure
    assert all(value.isfinite().all() for value in erasure.tensors.values())
    settings = SamplingDefaults(steps=3, guidance=4.0, width=WIDTH, height=WIDTH, batch_size=2)
    sampler = Sampler(pipeline, settings, NumericsProfile(batch_size=2))
    specs = [SampleSpec("Ann Ash at noon", 1), SampleSpec("a red ball", 2)]
    before = list(sampler.images(specs))
    with erasure.applied_to(pipeline):
        after = list(sampler.images(specs))
    assert all(image is not None for image in after)
    own = {f"unet.{key}": value for key, value in pipeline.unet.named_parameters()}
    changed = any(key not in own or not torch.equal(own[key], value) for key, value in erasure.tensors.items())
    assert name == "original" or changed or not all(map(np.array_equal, before, after))


@pytest.mark.cuda
@pytest.mark.parametrize("name", NAMES)
def test_on_cuda_it_gives_what_it_gives_on_the_cpu(tmp_path: Path, name: str) -> None:
    erasures = {device: candidates_on(device, tmp_path)[name].erased().erasure for device in ("cpu", "cuda")}
    assert erasures["cuda"].tensors.keys() == erasures["cpu"].tensors.keys()
    for key, value in erasures["cpu"].tensors.items():
        assert erasures["cuda"].tensors[key].device.type == "cpu"
        # A closed form agrees to 1e-5; two steps of AdamW divide by gradients as small as their own last digits.
        torch.testing.assert_close(erasures["cuda"].tensors[key], value, rtol=5e-2, atol=1e-3)


def test_every_registered_method_is_examined() -> None:
    assert {METHODS.load(name).name for name in METHODS.names()} == set(NAMES)
    assert {"original", "mace", "uce", "rece", "checkpoint", "esd-x", "spm", "sld-max", "np"} <= set(NAMES)
