"""SalUn: the mask is the half with the largest summed gradient, and nothing outside it moves."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from erasebench.api.concepts import Concept, ErasureTask
from erasebench.editing.templates import SUBJECT_TEMPLATES
from erasebench.methods import salun
from erasebench.methods.salun import SalUn, SalUnConfig, forget_loss, mask_loss, saliency_mask, summed_gradients
from erasebench.training.images import NoisedImages
from tests.methods.closed_form import sd_unet, task_of
from tests.methods.mace.workspace import TestWorkspace
from tests.methods.training_method import PUBLISHED, assert_resumes, erase, linear, touched, unet_names
from tests.tiny_model import tiny_pipeline

SMALL = SalUnConfig(steps=4, batch_size=2, n_images=4, learning_rate=1e-3, checkpoint_every=1)
X = NoisedImages(torch.full((1, 1, 1, 1), 2.0), torch.tensor([5]), torch.full((1, 1, 1, 1), 0.5))
CONCEPT, OTHER = torch.full((1, 1, 1), 3.0), torch.full((1, 1, 1), 1.0)


def test_the_masks_loss_is_the_negative_error_of_the_guided_prediction() -> None:
    # eps(c) = 6, eps(none) = 2: guided 8.5 * 6 - 7.5 * 2 = 36, noise 0.5.
    loss = mask_loss(linear(torch.tensor(1.0)), X, CONCEPT, OTHER, 7.5)
    assert float(loss) == pytest.approx(-((36 - 0.5) ** 2))


@pytest.mark.parametrize(("share", "marked"), [(0.5, 10), (0.25, 5), (1.0, 20)])
def test_the_mask_is_the_share_with_the_largest_gradient_over_all_weights_together(share: float, marked: int) -> None:
    order = torch.randperm(20, generator=torch.Generator().manual_seed(1)).float() + 1
    signs = torch.tensor([1.0, -1.0]).repeat(10)
    gradients = {"a": (order * signs)[:6].reshape(2, 3), "b": (order * signs)[6:]}
    masks = saliency_mask(gradients, share)
    for name, gradient in gradients.items():
        assert torch.equal(masks[name], gradient.abs() > 20 - marked)
    assert sum(int(mask.sum()) for mask in masks.values()) == marked


@pytest.mark.parametrize(
    ("n", "share", "kept"), [(29, 0.5, 14), (31, 0.5, 15), (10, 0.19, 1), (100, 0.29, 29), (100, 0.57, 57)]
)
def test_the_share_is_rounded_down_to_whole_weights(n: int, share: float, kept: int) -> None:
    gradients = {"a": torch.arange(n - 4.0) + 1, "b": torch.arange(n - 4.0, n) + 1}
    assert sum(int(mask.sum()) for mask in saliency_mask(gradients, share).values()) == kept


def test_ties_at_the_border_stay_out() -> None:
    assert saliency_mask({"a": torch.tensor([1.0, -2.0, 2.0, 3.0])}, 0.5)["a"].tolist() == [False, False, False, True]


def test_summed_gradients_are_of_all_batches_and_leave_none_behind() -> None:
    weight, unread = torch.tensor(3.0, requires_grad=True), torch.tensor([1.0, 2.0], requires_grad=True)
    gradients = summed_gradients((factor * weight**2 for factor in (1.0, 2.0)), {"a": weight, "b": unread})
    assert (float(gradients["a"]), gradients["b"].tolist()) == (18.0, [0.0, 0.0])
    assert weight.grad is None and unread.grad is None


def test_the_target_is_at_the_second_sample_where_there_is_one() -> None:
    weight = torch.tensor(1.0, requires_grad=True)
    other = X._replace(latents=torch.full((1, 1, 1, 1), 5.0))
    loss = forget_loss(linear(weight), X, other, CONCEPT, OTHER)
    loss.backward()  # type: ignore[no-untyped-call]
    # eps(x, c) = 3 x 2, eps(x', s) = 1 x 5, and the second has no part in the gradient.
    assert weight.grad is not None
    assert (float(loss.detach()), float(weight.grad)) == (pytest.approx(1.0), pytest.approx(2 * 1 * 6))


@pytest.mark.parametrize("samples", ["one", "two"])
def test_the_setting_says_whether_both_sides_have_one_latent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, samples: str
) -> None:
    seen: list[tuple[NoisedImages, NoisedImages]] = []

    def watched(eps: object, x: NoisedImages, x_target: NoisedImages, *states: Tensor) -> Tensor:
        seen.append((x, x_target))
        return forget_loss(eps, x, x_target, *states)  # type: ignore[arg-type]

    monkeypatch.setattr(salun, "forget_loss", watched)
    erase(SalUn(SMALL.model_copy(update={"posterior_samples": samples})), tmp_path)
    assert len(seen) == SMALL.steps
    for x, x_target in seen:
        assert torch.equal(x.timesteps, x_target.timesteps) and torch.equal(x.noise, x_target.noise)
        assert torch.equal(x.latents, x_target.latents) == (samples == "one")


def test_half_of_the_weights_move_and_they_are_those_of_the_mask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[dict[str, Tensor]] = []

    def watched(gradients: dict[str, Tensor], share: float) -> dict[str, Tensor]:
        found.append(saliency_mask(gradients, share))
        return found[-1]

    monkeypatch.setattr(salun, "saliency_mask", watched)
    workspace, erasure = erase(SalUn(SMALL), tmp_path)
    originals = dict(workspace.pipeline.unet.named_parameters())
    (masks,) = found
    moved = 0
    for name, mask in masks.items():
        after = erasure.tensors.get(f"unet.{name}", originals[name].detach())
        changed = after != originals[name].detach()
        assert not (changed & ~mask).any()
        moved += int(changed.sum())
    assert erasure.record["tuned_share"] == pytest.approx(0.5, abs=1e-4)
    assert moved > 0.9 * sum(int(mask.sum()) for mask in masks.values())


def test_the_gradient_is_summed_over_every_image_to_forget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    losses: list[float] = []

    def watched(*args: object) -> Tensor:
        loss: Tensor = mask_loss(*args)  # type: ignore[arg-type]
        losses.append(float(loss.detach()))
        return loss

    monkeypatch.setattr(salun, "mask_loss", watched)
    erase(SalUn(SMALL.model_copy(update={"n_images": 5})), tmp_path)
    assert len(losses) == 3 and len(set(losses)) == 3


def test_kept_names_and_captions_take_turns_in_what_remains(tmp_path: Path) -> None:
    workspace, _ = erase(SalUn(SMALL), tmp_path, names=("Ada", "Bo"), keep=("Cy", "Di"))
    first, second = SUBJECT_TEMPLATES[:2]
    forget = [template.replace("{}", name) for template in (first, second) for name in ("Ada", "Bo")]
    remain = [first.replace("{}", "Cy"), "a red house", second.replace("{}", "Di"), first.replace("{}", "Cy")]
    assert workspace.sampled == forget + remain


def test_without_anything_to_keep_the_anchor_remains(tmp_path: Path) -> None:
    task = ErasureTask(concepts=(Concept(name="ship", kind="object", anchor="sky"),))
    workspace = TestWorkspace(tiny_pipeline(), tmp_path)
    SalUn(SMALL).erase(workspace.pipeline, task, workspace)
    assert workspace.sampled[4:] == [SUBJECT_TEMPLATES[0].replace("{}", "sky")] * 4


def test_the_weights_that_it_may_touch() -> None:
    unet = sd_unet()
    assert touched(SalUn(SMALL), unet) == unet_names(unet)
    assert not SalUn(SMALL).edits("text_encoder.final_layer_norm.weight")


@pytest.mark.parametrize(("kind", "steps", "remain"), [("object", 500, 0.5), ("explicit", 100, 0.1)])
def test_recipes_are_the_releases(kind: str, steps: int, remain: float) -> None:
    config = SalUn.recipe(world=PUBLISHED, kind=kind, n_concepts=1)  # type: ignore[arg-type]
    assert isinstance(config, SalUnConfig)
    assert (config.learning_rate, config.batch_size, config.mask_guidance) == (1e-5, 8, 7.5)
    assert (config.steps, config.mask_share, config.remain_weight) == (steps, 0.5, remain)
    assert config.posterior_samples == "one"
    for world in (PUBLISHED, "miniature"):
        default, released = (
            SalUn.recipe(world=world, kind=kind, n_concepts=1, variant=variant)  # type: ignore[arg-type]
            for variant in ("default", "as-released")
        )
        assert released == default.model_copy(update={"posterior_samples": "two"})


@pytest.mark.parametrize("samples", ["one", "two"])
def test_a_killed_erasure_resumes_to_the_same_bits(tmp_path: Path, samples: str) -> None:
    assert task_of().keep
    assert_resumes(lambda: SalUn(SMALL.model_copy(update={"posterior_samples": samples})), tmp_path, "salun", 2)
