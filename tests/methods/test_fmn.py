"""Forget-Me-Not: one norm over all maps, on the concept's tokens, and attention that goes down."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from erasebench.editing.cross_attention import cross_attention_blocks, recorded_attention
from erasebench.errors import UserError
from erasebench.methods import fmn
from erasebench.methods.fmn import ForgetMeNot, ForgetMeNotConfig, resteering_norm
from tests.methods.closed_form import sd_unet
from tests.methods.inference_time import states_of
from tests.methods.training_method import PUBLISHED, assert_resumes, erase, first_loss, touched, unet_names
from tests.tiny_model import tiny_pipeline

SMALL = ForgetMeNotConfig(steps=4, batch_size=2, n_images=2, learning_rate=1e-3, checkpoint_every=1)


def test_one_norm_over_all_maps_together() -> None:
    generator = torch.Generator().manual_seed(1)
    maps = [torch.rand(2, 3, pixels, 5, generator=generator) for pixels in (4, 1, 9)]
    tokens = torch.tensor([[False, True, True, False, False], [False, False, False, False, True]])
    expected = []
    for sample in range(2):
        numbers = [
            float(attention[sample, head, pixel, token])
            for attention in maps
            for head in range(3)
            for pixel in range(attention.shape[2])
            for token in range(5)
            if tokens[sample, token]
        ]
        expected.append(sum(number**2 for number in numbers) ** 0.5)
    found = resteering_norm(maps, tokens)
    torch.testing.assert_close(found, torch.tensor(expected))
    # The sum of a norm for each map, as MACE has it, is another number.
    separate = sum(resteering_norm([attention], tokens) for attention in maps)
    assert float((separate - found).min()) > 0.1


@pytest.mark.parametrize(("use_pooler", "marked"), [(False, {3, 4, 5}), (True, {3, 4, 5, *range(9, 77)})])
def test_every_map_and_the_concepts_tokens_are_in_the_norm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use_pooler: bool, marked: set[int]
) -> None:
    seen: list[tuple[int, torch.Tensor]] = []

    def watched(maps: list[torch.Tensor], tokens: torch.Tensor) -> torch.Tensor:
        seen.append((len(maps), tokens))
        return resteering_norm(maps, tokens)

    monkeypatch.setattr(fmn, "resteering_norm", watched)
    monkeypatch.setattr("erasebench.editing.templates.SUBJECT_TEMPLATES", ("on {} sea",))
    config = SMALL.model_copy(update={"use_pooler": use_pooler})
    first_loss(ForgetMeNot(config), tmp_path, monkeypatch, seed=1, names=("Ada",))
    ((maps, tokens),) = seen
    # Start, 'on' (2), 'Ada' (3), 'sea' (3), then end-of-text and padding.
    assert maps == len(cross_attention_blocks(tiny_pipeline().unet))
    assert {int(i) for i in tokens[0].nonzero()} == marked
    assert torch.equal(tokens[0], tokens[1])


def attention_to(pipeline: object, prompt: str, tokens: slice) -> float:
    maps: list[torch.Tensor] = []
    marked = torch.zeros(1, 77, dtype=torch.bool)
    marked[:, tokens] = True
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    unet = pipeline.unet  # type: ignore[attr-defined]
    with torch.no_grad(), recorded_attention(unet, lambda _, probabilities: maps.append(probabilities)):
        unet(latents, 400, encoder_hidden_states=states_of(pipeline, prompt))  # type: ignore[arg-type]
    return float(resteering_norm(maps, marked))


def test_training_lowers_the_attention_to_the_concept(tmp_path: Path) -> None:
    config = SMALL.model_copy(update={"steps": 30, "weights": "attn2", "use_pooler": False, "learning_rate": 1e-2})
    workspace, erasure = erase(ForgetMeNot(config), tmp_path, names=("Ada",))
    pipeline = workspace.pipeline
    assert workspace.sampled == ["a photo of the Ada"] * 2
    before = attention_to(pipeline, "Ada in the rain", slice(1, 4))
    with erasure.applied_to(pipeline):
        assert attention_to(pipeline, "Ada in the rain", slice(1, 4)) < 0.7 * before


def test_the_weights_that_it_may_touch() -> None:
    unet = sd_unet()
    assert touched(ForgetMeNot(SMALL), unet) == unet_names(unet)
    attn2 = ForgetMeNot(SMALL.model_copy(update={"weights": "attn2"}))
    assert touched(attn2, unet) == {name for name in unet_names(unet) if "attn2" in name}
    assert not ForgetMeNot(SMALL).edits("text_encoder.final_layer_norm.weight")


def test_inversion_comes_first_where_it_is_asked_for(tmp_path: Path) -> None:
    inverting = SMALL.model_copy(update={"inversion_steps": 2, "inversion_rate": 0.5})
    workspace, inverted = erase(ForgetMeNot(inverting), tmp_path / "inverted")
    _, plain = erase(ForgetMeNot(SMALL), tmp_path / "plain")
    assert inverted.digest != plain.digest
    assert all(name.startswith("unet.") for name in inverted.tensors)
    table = workspace.pipeline.text_encoder.get_input_embeddings().weight
    assert torch.equal(table, tiny_pipeline().text_encoder.get_input_embeddings().weight)


def test_recipes_are_the_releases() -> None:
    one, ten = (ForgetMeNot.recipe(world=PUBLISHED, kind="person", n_concepts=n) for n in (1, 10))
    assert isinstance(one, ForgetMeNotConfig) and isinstance(ten, ForgetMeNotConfig)
    assert (one.steps, one.learning_rate, one.weight_decay, one.gradient_clip) == (35, 2e-6, 0.01, 1.0)
    assert (one.use_pooler, one.weights, one.inversion_steps, ten.steps) == (True, "unet", 0, 350)
    inverted = ForgetMeNot.recipe(world=PUBLISHED, kind="person", n_concepts=1, variant="inverted")
    assert isinstance(inverted, ForgetMeNotConfig)
    assert (inverted.inversion_steps, inverted.inversion_rate) == (500, 1e-3)
    with pytest.raises(UserError, match="Did you mean 'inverted'"):
        ForgetMeNot.recipe(world=PUBLISHED, kind="person", n_concepts=1, variant="invert")


@pytest.mark.parametrize(("label", "after"), [("fmn", 2), ("fmn, inversion", 3)])
def test_a_killed_erasure_resumes_to_the_same_bits(tmp_path: Path, label: str, after: int) -> None:
    config = SMALL.model_copy(update={"inversion_steps": 2})
    assert_resumes(lambda: ForgetMeNot(config), tmp_path, label, after)
