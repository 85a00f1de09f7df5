"""An erasure goes on and comes off without a trace, and travels as files that plain diffusers reads."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file

from erasebench.api.erasure import RECORD_FILE, WEIGHTS_FILE, Erasure
from erasebench.api.world import SamplingDefaults
from erasebench.diffusion.profile import NumericsProfile
from erasebench.diffusion.sampling import Sampler, SampleSpec
from erasebench.errors import UserError
from tests.tiny_model import WIDTH, tiny_pipeline

KEY = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight"
TEXT_KEY = "text_encoder.embeddings.token_embedding.weight"


@pytest.fixture
def pipeline() -> StableDiffusionPipeline:
    return tiny_pipeline()


@pytest.fixture
def erasure(pipeline: StableDiffusionPipeline) -> Erasure:
    state = {f"unet.{name}": value for name, value in pipeline.unet.named_parameters()}
    state |= {f"text_encoder.{name}": value for name, value in pipeline.text_encoder.named_parameters()}
    return Erasure({key: state[key].detach() + 0.5 for key in (KEY, TEXT_KEY)}, {"concepts": ["Ann"]})


def weights(pipeline: StableDiffusionPipeline) -> dict[str, torch.Tensor]:
    return {
        f"{part}.{name}": value.detach().clone()
        for part in ("unet", "text_encoder")
        for name, value in getattr(pipeline, part).state_dict().items()
    }


def test_the_pipeline_is_back_bit_for_bit(pipeline: StableDiffusionPipeline, erasure: Erasure) -> None:
    before = weights(pipeline)
    with erasure.applied_to(pipeline):
        during = weights(pipeline)
    after = weights(pipeline)
    assert {name for name in before if not torch.equal(before[name], during[name])} == {KEY, TEXT_KEY}
    assert torch.equal(during[KEY], erasure.tensors[KEY])
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_fused_projections_are_refused_since_they_would_hide_the_edit(
    pipeline: StableDiffusionPipeline, erasure: Erasure
) -> None:
    pipeline.unet.fuse_qkv_projections()
    with pytest.raises(UserError, match="attn1.*an edit would have no effect") as caught, erasure.applied_to(pipeline):
        pass
    assert "unfuse_qkv_projections()" in caught.value.hint
    pipeline.unet.unfuse_qkv_projections()
    with erasure.applied_to(pipeline):
        assert torch.equal(weights(pipeline)[KEY], erasure.tensors[KEY])


def test_it_is_back_after_an_error_too(pipeline: StableDiffusionPipeline, erasure: Erasure) -> None:
    before = weights(pipeline)
    with pytest.raises(RuntimeError, match="half way"), erasure.applied_to(pipeline):
        raise RuntimeError("half way")
    assert all(torch.equal(before[name], value) for name, value in weights(pipeline).items())


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"unet.nothing.weight": torch.zeros(1)}, "no parameter unet.nothing.weight"),
        ({KEY: torch.zeros(3, 5)}, r"wrong shape: \[3, 5\] in the erasure, \[16, 32\]"),
    ],
)
def test_an_erasure_of_another_model_is_named(
    pipeline: StableDiffusionPipeline, tensors: dict[str, torch.Tensor], message: str
) -> None:
    with pytest.raises(UserError, match=message), Erasure(tensors).applied_to(pipeline):
        pass


def test_saved_and_loaded_it_is_the_same(tmp_path: Path, erasure: Erasure) -> None:
    erasure.save(tmp_path)
    loaded = Erasure.load(tmp_path)
    assert loaded.digest == erasure.digest
    assert loaded.record == {"concepts": ["Ann"]}
    assert all(torch.equal(loaded.tensors[key], value) for key, value in erasure.tensors.items())


def test_an_empty_erasure_saves_and_loads(tmp_path: Path) -> None:
    Erasure().save(tmp_path)
    assert Erasure.load(tmp_path).tensors == {}


def test_the_digest_is_of_the_weights_alone(erasure: Erasure) -> None:
    assert Erasure(erasure.tensors, {"loss": 1.0}).digest == erasure.digest
    assert Erasure({KEY: erasure.tensors[KEY]}).digest != erasure.digest
    assert Erasure().digest != erasure.digest


@pytest.mark.parametrize("file", [WEIGHTS_FILE, RECORD_FILE])
def test_what_was_changed_since_is_refused(tmp_path: Path, erasure: Erasure, file: str) -> None:
    erasure.save(tmp_path)
    content = bytearray((tmp_path / file).read_bytes())
    content[-40] ^= 1
    (tmp_path / file).write_bytes(content)
    if file == RECORD_FILE:
        (tmp_path / file).write_bytes(content[:30])
    with pytest.raises(UserError, match=str(tmp_path)):
        Erasure.load(tmp_path)


def test_a_folder_without_an_erasure_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No readable erasure"):
        Erasure.load(tmp_path / "nowhere")


def test_the_export_paints_the_same_in_plain_diffusers(
    tmp_path: Path, pipeline: StableDiffusionPipeline, erasure: Erasure
) -> None:
    erasure.export(pipeline, tmp_path / "edited")
    settings = SamplingDefaults(steps=2, guidance=3.0, width=WIDTH, height=WIDTH, batch_size=2)
    specs = [SampleSpec("a portrait of Ann", 1), SampleSpec("a portrait of Bob", 2)]
    profile = NumericsProfile(batch_size=2)
    with erasure.applied_to(pipeline):
        ours = list(Sampler(pipeline, settings, profile).images(specs))
    plain = StableDiffusionPipeline.from_pretrained(tmp_path / "edited")
    theirs = list(Sampler(plain, settings, profile).images(specs))
    assert all(np.array_equal(one, other) for one, other in zip(ours, theirs, strict=True))


def test_an_export_takes_the_place_of_an_earlier_one(
    tmp_path: Path, pipeline: StableDiffusionPipeline, erasure: Erasure
) -> None:
    Erasure().export(pipeline, tmp_path / "edited")
    erasure.export(pipeline, tmp_path / "edited")
    plain = StableDiffusionPipeline.from_pretrained(tmp_path / "edited")
    assert torch.equal(weights(plain)[KEY], erasure.tensors[KEY])


def test_a_file_of_changed_weights_names_them_as_the_releases_do(
    tmp_path: Path, pipeline: StableDiffusionPipeline, erasure: Erasure
) -> None:
    erasure.export_tensors(tmp_path / "both.safetensors")
    assert set(load_file(tmp_path / "both.safetensors")) == {KEY, TEXT_KEY}
    Erasure({KEY: erasure.tensors[KEY]}).export_tensors(tmp_path / "unet.safetensors")
    (values,) = (written := load_file(tmp_path / "unet.safetensors")).values()
    assert set(written) == {KEY.removeprefix("unet.")}
    assert torch.equal(values, erasure.tensors[KEY])
    with pytest.raises(UserError, match="changes no weight"):
        Erasure().export_tensors(tmp_path / "none.safetensors")


def test_an_export_overwrites_nothing_else(tmp_path: Path, pipeline: StableDiffusionPipeline, erasure: Erasure) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="not empty"):
        erasure.export(pipeline, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_export_that_breaks_off_leaves_the_earlier_one_and_the_next_one_works(
    tmp_path: Path, pipeline: StableDiffusionPipeline, erasure: Erasure, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = weights(pipeline)
    for place in (tmp_path / "new", tmp_path / "earlier"):
        if place.name == "earlier":
            Erasure().export(pipeline, place)
        there = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        with monkeypatch.context() as patch:
            # Every component is written by then: all that lacks is the record.
            patch.setattr("erasebench.api.erasure.write_json", _full_disk)
            with pytest.raises(UserError, match=f"disk is full: {place}"):
                erasure.export(pipeline, place)
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == there
        assert all(torch.equal(before[name], value) for name, value in weights(pipeline).items())
        erasure.export(pipeline, place)
        assert torch.equal(weights(StableDiffusionPipeline.from_pretrained(place))[KEY], erasure.tensors[KEY])
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def _full_disk(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("kept", ["thesis.txt", WEIGHTS_FILE])
def test_what_lies_beside_an_earlier_export_is_not_replaced(
    tmp_path: Path, pipeline: StableDiffusionPipeline, erasure: Erasure, kept: str
) -> None:
    if kept == WEIGHTS_FILE:
        erasure.save(tmp_path / "edited")
    else:
        erasure.export(pipeline, tmp_path / "edited")
        (tmp_path / "edited" / kept).write_text("mine")
    with pytest.raises(UserError, match="contains (more than an|no) earlier export"):
        erasure.export(pipeline, tmp_path / "edited")
    assert (tmp_path / "edited" / kept).exists()


def test_an_export_says_what_it_was_erased_with(
    tmp_path: Path, pipeline: StableDiffusionPipeline, erasure: Erasure
) -> None:
    erasure.export(pipeline, tmp_path / "with", {"method": "mace", "seed": 3})
    erasure.export(pipeline, tmp_path / "without")
    given, bare = (json.loads((tmp_path / name / RECORD_FILE).read_text()) for name in ("with", "without"))
    assert given.pop("erased_with") == {"method": "mace", "seed": 3}
    assert given == bare
