"""A compiled U-Net samples what the eager one does, and never without something that it would not run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor2_0
from torch import nn

import erasebench
from erasebench.api.erasure import Erasure
from erasebench.api.world import SamplingDefaults
from erasebench.board.shipped import _why
from erasebench.diffusion.compiling import compile_network
from erasebench.diffusion.profile import NumericsProfile, sampling_profile
from erasebench.diffusion.sampling import Sampler, SampleSpec
from erasebench.errors import UserError
from erasebench.identity import digest
from erasebench.runner.command import command_of
from erasebench.runner.job import plan
from erasebench.runner.outcome import record_identity
from erasebench.runner.request import Request
from erasebench.runner.session import Session
from tests.tiny_model import WIDTH, tiny_pipeline

SETTINGS = SamplingDefaults(steps=3, guidance=4.0, width=WIDTH, height=WIDTH, batch_size=2)
SPECS = [SampleSpec("a portrait of Ann", 1), SampleSpec("a portrait of Bob", 2)]
EAGER, COMPILED = NumericsProfile(batch_size=2), NumericsProfile(batch_size=2, compiled=True)
LAYER = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_v"
# Traces and guards as the real compiler does, and runs torch's own kernels: no compiler of C++ is needed for it.
BACKEND = "aot_eager"


@pytest.fixture(scope="module")
def pipeline() -> Any:
    made = tiny_pipeline()
    compile_network(made.unet, BACKEND)
    return made


def images(pipeline: Any, profile: NumericsProfile) -> list[np.ndarray | None]:
    return list(Sampler(pipeline, SETTINGS, profile).images(SPECS))


def test_the_same_pixels_with_and_without_an_edit(pipeline: Any) -> None:
    plain = tiny_pipeline()
    weight = dict(plain.unet.named_parameters())[f"{LAYER}.weight"]
    found = []
    for erasure in (Erasure(), Erasure({f"unet.{LAYER}.weight": -20 * weight.detach()}), Erasure()):
        with erasure.applied_to(plain), erasure.applied_to(pipeline):
            found.append(images(pipeline, COMPILED))
            assert np.array_equal(found[-1], images(plain, EAGER)), "the weights of now are used"
    assert not np.array_equal(found[0], found[1])


def hooked(layer: nn.Module) -> Callable[[], None]:
    return layer.register_forward_hook(lambda *_: None).remove


def replaced(layer: nn.Module) -> Callable[[], None]:
    layer.forward = lambda x: x  # type: ignore[method-assign]
    return lambda: delattr(layer, "forward")


@pytest.mark.parametrize("change", [hooked, replaced])
def test_what_compiled_code_would_not_run_is_refused(pipeline: Any, change: Callable[..., Callable[[], None]]) -> None:
    undo = change(pipeline.unet.get_submodule(LAYER))
    try:
        with pytest.raises(UserError, match=f"{LAYER} is changed while images are sampled") as caught:
            images(pipeline, COMPILED)
        assert "--compiled" in caught.value.hint
    finally:
        undo()
    assert np.array_equal(images(pipeline, COMPILED), images(tiny_pipeline(), EAGER))


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x).relu()  # type: ignore[no-any-return]


def test_a_network_that_was_not_compiled_does_not_pass_for_one() -> None:
    with pytest.raises(UserError, match="this U-Net is not"):
        images(tiny_pipeline(), COMPILED)


def test_more_sizes_than_are_compiled_for_are_an_error_and_not_eager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("erasebench.diffusion.compiling.MOST_SHAPES", 2)
    network = Network()
    compile_network(network, BACKEND)
    for rows in (2, 3, 2):
        network(torch.ones(rows, 3))
    with pytest.raises(UserError, match="compiled for 2 sizes"):
        network(torch.ones(4, 3))


@pytest.mark.parametrize("method", ["spm", "sld-max"])
def test_a_method_that_acts_in_the_network_is_refused_before_any_work(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("erasebench.runner.session.compile_network", lambda network: None)
    with pytest.raises(UserError, match=f"{method} acts inside the U-Net") as caught:
        erasebench.run(method, "celebrity", compiled=True, out=tmp_path / "out", runs_folder=tmp_path / "runs")
    assert "--compiled" in caught.value.hint
    assert not list(tmp_path.glob("runs/**/*.png"))


def test_another_processor_is_refused(pipeline: Any) -> None:
    attention = pipeline.unet.get_submodule(LAYER.removesuffix(".to_v"))
    before = attention.processor
    attention.processor = AttnProcessor2_0()
    try:
        with pytest.raises(UserError, match="attn2 is changed"):
            images(pipeline, COMPILED)
    finally:
        attention.processor = before


def test_a_machine_without_a_compiler_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: Any, **__: Any) -> Any:
        raise RuntimeError("No working C++ compiler found\nand more")

    monkeypatch.setattr(torch, "compile", none)
    with pytest.raises(UserError, match=r"cannot compile for cpu here \(No working C\+\+ compiler found\)"):
        compile_network(nn.Linear(2, 2))


def test_compiled_images_and_records_have_identities_of_their_own() -> None:
    jobs = {flag: plan(Request(("uce",), ("celebrity",), baselines="none", compiled=flag))[0] for flag in (False, True)}
    session = Session(jobs[False].world, "cpu")
    assert len({record_identity(job, session, None) for job in jobs.values()}) == 2
    assert len({job.image_digests("ab")[0] for job in jobs.values()}) == 2
    assert len({digest(job.erasure_identity("none")) for job in jobs.values()}) == 1, "methods erase eagerly"
    assert [job.profile.suffix for job in jobs.values()] == ["", "-compiled"]
    assert command_of(jobs[True]).endswith(" --compiled") and "--compiled" not in command_of(jobs[False])
    assert jobs[True].profile.ranked != jobs[False].profile.ranked
    assert _why("compiled", jobs[True].profile.ranked, jobs[False].profile.ranked).endswith("was sampled eagerly")


def test_the_session_keeps_a_compiled_pipeline_beside_the_eager_one(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[nn.Module] = []
    monkeypatch.setattr("erasebench.runner.session.compile_network", compiled.append)
    session = Session(erasebench.load_world("miniature"), "cpu")
    profile = sampling_profile(session.world, "cpu", "auto", compiled=True)
    other = session.sampling_pipeline(profile)
    assert other is session.sampling_pipeline(profile) and compiled == [other.unet]
    assert session.sampling_pipeline(profile.erasing) is session.pipeline is not other
