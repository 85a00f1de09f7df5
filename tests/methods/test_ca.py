"""Concept Ablation: the anchor is the target, on the anchor's images."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from erasebench.api.concepts import Concept, ErasureTask, Kind
from erasebench.editing.templates import SUBJECT_TEMPLATES
from erasebench.errors import UserError
from erasebench.methods.ca import ConceptAblation, ConceptAblationConfig
from erasebench.methods.ca.objective import ablation_loss, masked_square, with_prior
from erasebench.methods.ca.rescaling import Rescaled, rescaled
from erasebench.methods.ca.start_token import start_token_detached, text_projections
from erasebench.training.images import NoisedImages
from tests.methods.closed_form import BLOCKS, SD_PROJECTIONS, sd_unet, task_of
from tests.methods.mace.workspace import TestWorkspace
from tests.methods.training_method import PUBLISHED, assert_resumes, erase, first_loss, linear, touched, unet_names
from tests.tiny_model import tiny_pipeline

SMALL = ConceptAblationConfig(steps=4, batch_size=2, n_images=3, learning_rate=1e-3, checkpoint_every=1)
X = NoisedImages(torch.full((1, 1, 1, 1), 2.0), torch.tensor([5]), torch.full((1, 1, 1, 1), 0.5))
CONCEPT, ANCHOR = torch.full((1, 1, 1), 3.0), torch.full((1, 1, 1), 1.0)


Y = NoisedImages(torch.full((1, 1, 1, 1), 4.0), torch.tensor([5]), torch.full((1, 1, 1, 1), -0.5))


def test_the_loss_draws_the_concept_to_the_anchor_and_not_the_anchor_to_it() -> None:
    weight = torch.tensor(1.5, requires_grad=True)
    loss = with_prior(ablation_loss(linear(weight), X, CONCEPT, ANCHOR), linear(weight), Y, ANCHOR, 2.0)
    # eps(c) = 9, eps(anchor) = 3; on the other image eps(anchor) = 6, and the noise is -0.5.
    assert float(loss.detach()) == pytest.approx((9 - 3) ** 2 + 2 * (6 + 0.5) ** 2)
    loss.backward()  # type: ignore[no-untyped-call]
    # d eps(c) / d weight = 6; the anchor's own counts in the prior alone, where it is 4.
    assert weight.grad is not None
    assert float(weight.grad) == pytest.approx(2 * (9 - 3) * 6 + 2 * 2 * (6 + 0.5) * 4)


def test_the_noise_based_variant_draws_the_concept_to_the_noise() -> None:
    loss = ablation_loss(linear(torch.tensor(1.5)), X, CONCEPT, ANCHOR, "noise-based")
    assert float(loss) == pytest.approx((9 - 0.5) ** 2)


def test_squares_are_summed_over_channels_and_averaged_over_the_masks_pixels() -> None:
    difference = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]], [[[5.0, 0.0]], [[1.0, 2.0]]]])
    assert float(masked_square(difference, None)) == pytest.approx((10 + 20 + 26 + 4) / 4)
    mask = torch.tensor([[[[1.0, 0.0]]], [[[1.0, 1.0]]]])
    assert float(masked_square(difference, mask)) == pytest.approx((10 + (26 + 4) / 2) / 2)
    assert masked_square(difference, torch.ones(2, 1, 1, 2)) == masked_square(difference, None)


def test_a_rescaled_image_is_smaller_on_black_in_66_of_100_or_larger_and_cropped() -> None:
    side, cells = 64, 16
    image, generator = Image.new("RGB", (side, side), "white"), torch.Generator().manual_seed(1)
    drawn = [rescaled(image, cells, generator) for _ in range(300)]
    assert {each.image.size for each in drawn} == {(side, side)}
    shown = [torch.tensor(list(each.image.convert("L").getdata())).reshape(side, side) > 0 for each in drawn]
    smaller = [i for i, white in enumerate(shown) if not white.all() or not drawn[i].mask.all()]
    assert len(smaller) / 300 == pytest.approx(0.66, abs=0.09)
    sides = [int(shown[i].any(dim=0).sum()) for i in smaller]
    assert min(sides) >= 21 and max(sides) <= side and max(sides) - min(sides) > 35
    for i in smaller:
        # The mask lies inside the picture, without the latents that its rim is in.
        white = shown[i].reshape(cells, 4, cells, 4).all(dim=3).all(dim=1)
        assert drawn[i].mask.any() and bool((drawn[i].mask[0] <= white.float()).all())
        assert float(drawn[i].mask.sum()) < float(white.sum())


@pytest.mark.parametrize("cells", [4, 8])
def test_the_smallest_picture_of_few_latents_still_counts_somewhere(cells: int) -> None:
    image, generator = Image.new("RGB", (32, 32)), torch.Generator().manual_seed(1)
    assert all(rescaled(image, cells, generator).mask.any() for _ in range(200))


@pytest.mark.parametrize(("size", "said"), [((8, 16), r"32 x 16 pixels, 16 x 8 latents"), (3, "3 x 3 latents")])
def test_pictures_that_cannot_be_rescaled_are_refused_before_any_is_painted(
    tmp_path: Path, size: int | tuple[int, int], said: str
) -> None:
    workspace = TestWorkspace(tiny_pipeline(), tmp_path)
    workspace.pipeline.unet.register_to_config(sample_size=size)
    method = ConceptAblation(SMALL.model_copy(update={"rescaling": True}))
    for refused in (
        lambda: method.check_model(workspace.pipeline),
        lambda: method.erase(workspace.pipeline, task_of(), workspace),
    ):
        with pytest.raises(UserError, match=said):
            refused()
    assert not workspace.sampled
    ConceptAblation(SMALL).check_model(workspace.pipeline)
    workspace.pipeline.unet.register_to_config(sample_size=4)
    method.check_model(workspace.pipeline)


def test_the_start_tokens_projections_pass_no_gradient_and_the_unet_is_as_it_was() -> None:
    unet = tiny_pipeline().unet
    latents, states = torch.ones(2, 4, 8, 8), torch.randn(2, 77, 32, generator=torch.Generator().manual_seed(1))
    plain = unet(latents, 5, encoder_hidden_states=states).sample
    layers = text_projections(unet)
    assert len(layers) == sum(name.endswith(("attn2.to_k", "attn2.to_v")) for name, _ in unet.named_modules()) > 0
    states = states.requires_grad_()
    with start_token_detached(layers):
        found = unet(latents, 5, encoder_hidden_states=states).sample
    assert torch.equal(found, plain)
    (gradient,) = torch.autograd.grad(found.sum(), states)
    assert not gradient[:, 0].any() and gradient[:, 1:].any()
    assert not any(module._forward_hooks for module in unet.modules())


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
    whole = ConceptAblation(SMALL.model_copy(update={"weights": "unet"}))
    assert touched(whole, unet) == unet_names(unet)
    for method in (whole, ConceptAblation(SMALL)):
        assert not method.edits("text_encoder.encoder.layers.0.self_attn.k_proj.weight")


@pytest.mark.parametrize(
    ("kind", "steps", "rate", "prior"),
    [("person", 100, 1.6e-5, 0.0), ("object", 100, 1.6e-5, 0.0), ("explicit", 400, 3.2e-5, 1.0)],
)
def test_recipes_are_the_releases(kind: Kind, steps: int, rate: float, prior: float) -> None:
    config = ConceptAblation.recipe(world=PUBLISHED, kind=kind, n_concepts=1)
    assert isinstance(config, ConceptAblationConfig)
    assert (config.steps, config.learning_rate, config.prior_weight) == (steps, pytest.approx(rate), prior)


@pytest.mark.parametrize("kind", ["person", "object", "explicit"])
def test_the_recipe_as_released_adds_what_only_the_code_does(kind: Kind) -> None:
    expected: dict[str, object] = {"detach_start_token": True, "gradient_clip": 1.0}
    if kind == "object":
        expected |= {"rescaling": True}
    if kind == "explicit":
        expected |= {"learning_rate": 6.4e-5}
    default, released = (
        ConceptAblation.recipe(world=PUBLISHED, kind=kind, n_concepts=1, variant=variant).model_dump()
        for variant in ("default", "as-released")
    )
    assert {name: value for name, value in released.items() if value != default[name]} == expected
    scaled = ConceptAblation.recipe(world="miniature", kind=kind, n_concepts=1, variant="as-released")
    assert isinstance(scaled, ConceptAblationConfig)
    assert scaled.detach_start_token and scaled.rescaling == (kind == "object") and scaled.gradient_clip == 1.0
    with pytest.raises(UserError, match="no recipe 'released'"):
        ConceptAblation.recipe(world=PUBLISHED, kind=kind, n_concepts=1, variant="released")


@pytest.mark.parametrize(
    ("setting", "first_differs"),
    [
        ({"loss": "noise-based"}, True),
        ({"prior_weight": 1.0}, True),
        ({"rescaling": True}, True),
        # The first loss is the same: gradients alone differ.
        ({"detach_start_token": True}, False),
    ],
)
def test_a_setting_changes_the_training(tmp_path: Path, setting: dict[str, object], first_differs: bool) -> None:
    losses = []
    for number, config in enumerate((SMALL, SMALL.model_copy(update=setting))):
        workspace, erasure = erase(ConceptAblation(config), tmp_path / str(number), names=("Ada",))
        losses.append(erasure.record["losses"])
        assert not any(module._forward_hooks for module in workspace.pipeline.unet.modules())
    assert losses[0][-1] != losses[1][-1]
    assert (losses[0][0] != losses[1][0]) == first_differs


@pytest.mark.parametrize("prior_weight", [0.0, 1.0])
def test_the_priors_images_are_never_rescaled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prior_weight: float
) -> None:
    calls: list[Rescaled] = []
    priors: list[NoisedImages] = []

    def watched(image: Image.Image, latent_side: int, generator: torch.Generator) -> Rescaled:
        calls.append(rescaled(image, latent_side, generator))
        return calls[-1]

    def watched_prior(value: torch.Tensor, eps: object, y: NoisedImages, *rest: object) -> torch.Tensor:
        priors.append(y)
        return with_prior(value, eps, y, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr("erasebench.methods.ca.rescaling.rescaled", watched)
    monkeypatch.setattr("erasebench.methods.ca.method.with_prior", watched_prior)
    config = SMALL.model_copy(update={"rescaling": True, "prior_weight": prior_weight})
    _, erasure = erase(ConceptAblation(config), tmp_path)
    assert erasure.record["images"] == config.n_images
    # The concept's batch alone, and no picture for the prior's.
    assert len(calls) == config.steps * config.batch_size
    assert len(priors) == (config.steps if prior_weight else 0)
    assert all(len(y.latents) == config.batch_size for y in priors)


def test_a_killed_erasure_of_rescaled_images_resumes_to_the_same_bits(tmp_path: Path) -> None:
    config = SMALL.model_copy(update={"rescaling": True, "prior_weight": 1.0, "detach_start_token": True})
    assert_resumes(lambda: ConceptAblation(config), tmp_path, "ca", 2)


def test_a_killed_erasure_resumes_to_the_same_bits(tmp_path: Path) -> None:
    assert_resumes(lambda: ConceptAblation(SMALL), tmp_path, "ca", 2)


def test_every_concept_has_its_own_anchors_images(tmp_path: Path) -> None:
    workspace = TestWorkspace(tiny_pipeline(), tmp_path)
    concepts = (Concept(name="ship", kind="object", anchor="sky"), Concept(name="cat", kind="object", anchor="road"))
    ConceptAblation(SMALL).erase(workspace.pipeline, ErasureTask(concepts=concepts), workspace)
    assert [prompt.split()[0] for prompt in workspace.sampled] == ["sky", "A", "A", "road", "A", "A"]
