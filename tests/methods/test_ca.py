"""Concept Ablation: the anchor is the target, on the anchor's images."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from erasebench.concepts import Concept, Kind
from erasebench.methods.ca import ConceptAblation, ConceptAblationConfig, ablation_loss
from erasebench.templates import SUBJECT_TEMPLATES
from erasebench.training.images import NoisedImages
from tests.methods.closed_form import BLOCKS, SD_PROJECTIONS, sd_unet, task_of
from tests.methods.training_method import PUBLISHED, assert_resumes, erase, first_loss, linear, touched
from tests.tiny_model import tiny_pipeline

SMALL = ConceptAblationConfig(steps=4, batch_size=2, n_images=3, learning_rate=1e-3, checkpoint_every=1)
X = NoisedImages(torch.full((1, 1, 1, 1), 2.0), torch.tensor([5]), torch.full((1, 1, 1, 1), 0.5))
CONCEPT, ANCHOR = torch.full((1, 1, 1), 3.0), torch.full((1, 1, 1), 1.0)


@pytest.mark.parametrize("prior_weight", [0.0, 2.0])
def test_the_loss_draws_the_concept_to_the_anchor_and_not_the_anchor_to_it(prior_weight: float) -> None:
    weight = torch.tensor(1.5, requires_grad=True)
    loss = ablation_loss(linear(weight), X, CONCEPT, ANCHOR, prior_weight)
    # eps(c) = 9, eps(anchor) = 3, the noise is 0.5.
    assert float(loss.detach()) == pytest.approx((9 - 3) ** 2 + prior_weight * (3 - 0.5) ** 2)
    loss.backward()  # type: ignore[no-untyped-call]
    # d eps(c) / d weight = 6; the anchor's own 2 counts in the prior alone.
    assert weight.grad is not None
    assert float(weight.grad) == pytest.approx(2 * (9 - 3) * 6 + prior_weight * 2 * (3 - 0.5) * 2)


def test_images_are_of_the_anchor_and_prompts_differ_in_the_phrase_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, erasure = erase(ConceptAblation(SMALL), tmp_path, names=("Ada", "Bo"))
    assert workspace.sampled == [template.replace("{}", "a person") for template in SUBJECT_TEMPLATES[:3]]
    assert erasure.record["images"] == 3
    assert set(erasure.tensors) <= touched(ConceptAblation(SMALL), workspace.pipeline.unet)
    assert erasure.tensors

    assert float(first_loss(ConceptAblation(SMALL), tmp_path, monkeypatch, seed=1, names=("Ada",))) > 0.0
    # A concept that is its own anchor (no user can give one) has nothing to learn: both sides see the same prompt.
    itself = Concept.model_construct(name="a person", kind="person", anchor="a person")
    task = task_of().model_copy(update={"concepts": (itself,)})
    monkeypatch.setattr("tests.methods.training_method.task_of", lambda: task)
    assert float(first_loss(ConceptAblation(SMALL), tmp_path, monkeypatch, seed=1)) == 0.0


def test_the_weights_that_it_may_touch() -> None:
    attention = {
        f"unet.{block}.transformer_blocks.0.attn{i}.{part}"
        for block in BLOCKS
        for i in (1, 2)
        for part in ("to_q.weight", "to_k.weight", "to_v.weight", "to_out.0.weight", "to_out.0.bias")
    }
    unet = sd_unet()
    for kind, names in (("style", SD_PROJECTIONS), ("explicit", attention)):
        config = ConceptAblation.recipe(world=PUBLISHED, kind=kind, n_concepts=1)  # type: ignore[arg-type]
        assert touched(ConceptAblation(config), unet) == names
    assert not ConceptAblation(SMALL).touches("text_encoder.encoder.layers.0.self_attn.k_proj.weight")


@pytest.mark.parametrize(
    ("kind", "steps", "rate", "prior"),
    [("person", 100, 1.6e-5, 0.0), ("object", 100, 1.6e-5, 0.0), ("explicit", 400, 3.2e-5, 1.0)],
)
def test_recipes_are_the_releases(kind: Kind, steps: int, rate: float, prior: float) -> None:
    config = ConceptAblation.recipe(world=PUBLISHED, kind=kind, n_concepts=1)
    assert isinstance(config, ConceptAblationConfig)
    assert (config.steps, config.learning_rate, config.prior_weight) == (steps, pytest.approx(rate), prior)


def test_a_killed_erasure_resumes_to_the_same_bits(tmp_path: Path) -> None:
    assert_resumes(lambda: ConceptAblation(SMALL), tmp_path, "ca", 2)


def test_every_concept_has_its_own_anchors_images(tmp_path: Path) -> None:
    from erasebench.concepts import Concept, ErasureTask
    from tests.methods.mace.workspace import TestWorkspace

    workspace = TestWorkspace(tiny_pipeline(), tmp_path)
    concepts = (Concept(name="ship", kind="object", anchor="sky"), Concept(name="cat", kind="object", anchor="road"))
    ConceptAblation(SMALL).erase(workspace.pipeline, ErasureTask(concepts=concepts), workspace)
    assert [prompt.split()[0] for prompt in workspace.sampled] == ["sky", "A", "A", "road", "A", "A"]
