"""The whole of MACE on a tiny random-weight model: what it changes, what it leaves, how it resumes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler

from erasebench.api.concepts import Concept, ErasureTask, Kind
from erasebench.api.erasure import Erasure
from erasebench.editing.cross_attention import projections
from erasebench.errors import UserError
from erasebench.methods.mace import Mace, MaceConfig, adapters
from tests.methods.mace.workspace import PEOPLE, TestWorkspace
from tests.tiny_model import tiny_pipeline

SETTINGS: dict[str, Any] = {
    "n_images": 2,
    "prompts_per_concept": 3,
    "domain_prompts": 2,
    "steps": 3,
    "learning_rate": 1e-2,
    "concepts_per_batch": 2,
    "prior_weight_refinement": 1e-4,
    "ridge_fusion": 1.0,
    "domain_weight": 10.0,
}


def erase(folder: Path, task: ErasureTask = PEOPLE, **settings: Any) -> Erasure:
    workspace = TestWorkspace(tiny_pipeline(), folder)
    return Mace(MaceConfig(**{**SETTINGS, **settings})).erase(workspace.pipeline, task, workspace)


def assert_equal(one: Erasure, other: Erasure) -> None:
    assert one.digest == other.digest
    assert one.record == other.record


def test_it_changes_the_text_projections_and_leaves_the_pipeline_as_it_was(tmp_path: Path) -> None:
    workspace = TestWorkspace(tiny_pipeline(), tmp_path)
    unet, text = workspace.pipeline.unet, workspace.pipeline.text_encoder
    before = {name: value.clone() for name, value in (unet.state_dict() | text.state_dict()).items()}
    processors, scheduler = dict(unet.attn_processors), workspace.pipeline.scheduler
    erasure = Mace(MaceConfig(**SETTINGS)).erase(workspace.pipeline, PEOPLE, workspace)
    assert set(erasure.tensors) == {f"unet.{name}.weight" for name in projections(unet)}
    for name, value in erasure.tensors.items():
        assert value.dtype == torch.float32
        assert not torch.equal(value, before[name.removeprefix("unet.")])
        assert torch.isfinite(value).all()
    assert all(torch.equal(value, before[name]) for name, value in (unet.state_dict() | text.state_dict()).items())
    assert unet.attn_processors == processors
    assert workspace.pipeline.scheduler is scheduler
    assert all(parameter.requires_grad for parameter in unet.parameters())
    assert not any(module._forward_hooks for module in unet.modules())


def test_the_record_says_all_that_recomputing_needs(tmp_path: Path) -> None:
    record = erase(tmp_path).record
    json.dumps(record, allow_nan=False)
    assert record["anchors"] == {"Ada Thorne": "a person", "Ada": "a person", "Bo Lin": "a person"}
    assert record["prompt_pairs"]["Bo Lin"][0] == ["Bo Lin in the morning light", "a person in the morning light"]
    assert record["prior"]["captions"] == 3
    assert record["prior"]["kept_prompts"] == 4
    assert record["condition_numbers"].keys() == {"refinement", "fusion"}
    assert record["training_images"]["Ada"] == {"found": 2}
    assert all(loss["first"] > 0 and loss["last"] > 0 for loss in record["lora_losses"].values())


def test_a_rerun_gives_the_same_bits(tmp_path: Path) -> None:
    assert_equal(erase(tmp_path / "one"), erase(tmp_path / "other"))


def test_a_killed_erasure_resumes_to_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = erase(tmp_path / "whole")
    real, calls = adapters.train_loras, []

    def killed_in_the_second_batch(*arguments: Any) -> Any:
        calls.append(len(arguments[1]))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(adapters, "train_loras", killed_in_the_second_batch)
        erase(tmp_path / "killed")
    finished = sorted((tmp_path / "killed").rglob("adapter_model.safetensors"))
    assert len(finished) == 2
    # Half a batch on disk, as a kill while saving leaves it: the batch trains again as a whole.
    finished[0].unlink()
    assert_equal(erase(tmp_path / "killed"), whole)
    monkeypatch.setattr(adapters, "train_loras", lambda *_: pytest.fail("a finished erasure trained again"))
    assert_equal(erase(tmp_path / "killed"), whole)


def test_the_batch_of_concepts_decides_speed_not_the_result(tmp_path: Path) -> None:
    together, apart = erase(tmp_path / "a", concepts_per_batch=3), erase(tmp_path / "b", concepts_per_batch=1)
    for name, value in together.tensors.items():
        torch.testing.assert_close(value, apart.tensors[name], rtol=1e-3, atol=1e-4)


def test_the_ablation_is_a_setting(tmp_path: Path) -> None:
    results = {rule: erase(tmp_path / rule, fusion=rule) for rule in ("closed-form", "naive-sum", "refinement-only")}
    results["uniform"] = erase(tmp_path / "uniform", focal_sampling=False)
    assert len({erasure.digest for erasure in results.values()}) == 4
    assert not (tmp_path / "refinement-only").exists()
    assert results["naive-sum"].record["condition_numbers"].keys() == {"refinement"}


@pytest.mark.parametrize(("anchor", "same"), [("the blue sea", False), ("a meadow", True)])
def test_the_rule_for_common_tokens_matters_where_phrase_and_anchor_share_a_word(
    tmp_path: Path, anchor: str, same: bool
) -> None:
    task = ErasureTask(concepts=(Concept(name="the red sea", kind="object", anchor=anchor),))
    by_rule = [
        erase(tmp_path / rule, task, fusion="refinement-only", common_tokens=rule).digest for rule in ("phrase", "ids")
    ]
    assert (by_rule[0] == by_rule[1]) == same


@pytest.mark.parametrize(("kind", "anchor"), [("object", "sky"), ("style", "art"), ("explicit", "wearing clothes")])
def test_every_kind_is_erased(tmp_path: Path, kind: Kind, anchor: str) -> None:
    task = ErasureTask(concepts=(Concept(name="ship", kind=kind, anchor=anchor),))
    erasure = erase(tmp_path, task, prior_weight_refinement=0.0, prior_weight_fusion=0.0)
    assert erasure.record["anchors"] == {"ship": anchor}
    assert kind in Mace.kinds


def test_the_as_released_recipe_runs_singular_solves_and_records_it(tmp_path: Path) -> None:
    task = ErasureTask(concepts=(Concept(name="naked", kind="explicit", anchor="a person wearing clothes"),))
    config = Mace.recipe(world="stable-diffusion-v1-4", kind="explicit", n_concepts=1, variant="as-released")
    workspace = TestWorkspace(tiny_pipeline(), tmp_path)
    small = config.model_copy(update={"n_images": 1, "steps": 1, "prompts_per_concept": 1, "templates": ("{}",)})
    erasure = Mace(small).erase(workspace.pipeline, task, workspace)
    assert all(torch.isfinite(value).all() for value in erasure.tensors.values())
    assert erasure.record["condition_numbers"]["refinement"] is None or (
        erasure.record["condition_numbers"]["refinement"] > 1e12
    )


def test_a_name_longer_than_the_context_is_refused_before_any_work(tmp_path: Path) -> None:
    task = ErasureTask(concepts=(Concept(name="x" * 90, kind="person", anchor="a person"),))
    with pytest.raises(UserError, match="92 tokens|tokens with start and end"):
        erase(tmp_path, task)
    assert not list(tmp_path.iterdir())


def test_a_model_that_predicts_the_image_is_refused_before_any_work(tmp_path: Path) -> None:
    workspace = TestWorkspace(tiny_pipeline(), tmp_path)
    workspace.pipeline.scheduler = DDIMScheduler(prediction_type="sample")
    with pytest.raises(UserError, match="predicts 'sample'"):
        Mace(MaceConfig(**SETTINGS)).erase(workspace.pipeline, PEOPLE, workspace)
    assert not workspace.sampled
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("rule", ["vae", "imagenet"])
def test_pixels_are_normalised_by_the_autoencoders_range_or_as_released(rule: str) -> None:
    pixels = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    released = (pixels - mean[:, None, None]) / deviation[:, None, None]
    expected = released if rule == "imagenet" else 2 * pixels - 1
    torch.testing.assert_close(adapters.NORMALISATIONS[rule](pixels), expected)


def test_the_normalisation_reaches_the_training(tmp_path: Path) -> None:
    rules = {rule: erase(tmp_path / rule, image_normalisation=rule) for rule in ("vae", "imagenet")}
    assert rules["vae"].record["lora_losses"] != rules["imagenet"].record["lora_losses"]


@pytest.mark.cuda
def test_on_cuda_every_stage_gives_what_it_gives_on_the_cpu(tmp_path: Path) -> None:
    device = torch.device("cuda")
    workspace = TestWorkspace(tiny_pipeline().to(device), tmp_path / "cuda", device=device)
    on_cuda = Mace(MaceConfig(**SETTINGS)).erase(workspace.pipeline, PEOPLE, workspace)
    for name, value in erase(tmp_path / "cpu").tensors.items():
        assert on_cuda.tensors[name].device.type == "cpu"
        torch.testing.assert_close(on_cuda.tensors[name], value, rtol=5e-2, atol=1e-3)
