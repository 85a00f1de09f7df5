"""SPM while sampling: the gates for each image of a batch, and how those of several concepts act."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from erasebench.api.erasure import Erasure
from erasebench.editing.adapters import fresh_adapters
from erasebench.editing.text_states import TextStates
from erasebench.errors import UserError
from erasebench.methods.spm import GatedAdapters
from erasebench.methods.spm.gates import cosines, token_overlap
from tests.methods.inference_time import ddim_pipeline, latents_of
from tests.tiny_model import tiny_pipeline, tiny_tokenizer

CONCEPT, FAR = "Zed Quux", "a big barn on a hill"
# The tokenizer spells: a prompt shares letters with any name, so the far one is chosen to share none.
PROMPTS = [f"{CONCEPT} at sea", FAR, "a ball", f"a {CONCEPT}", FAR]


def strong_adapters(unet: object) -> dict[str, torch.Tensor]:
    """Adapters that no image survives where their gate is open."""
    weights = fresh_adapters(unet, 1, [torch.Generator().manual_seed(1)])  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(2)
    return {name: torch.randn(value.shape, generator=generator) for name, value in weights.items()}


def change_of(pipeline: object, floor: float = 0.999) -> GatedAdapters:
    weights = strong_adapters(pipeline.unet)  # type: ignore[attr-defined]
    return GatedAdapters(concepts=(CONCEPT,), floors=(floor,), rank=1, tensors=weights)


def test_gates_are_open_for_the_concept_and_shut_for_a_far_prompt() -> None:
    pipeline = tiny_pipeline()
    text = TextStates(pipeline)
    gates = change_of(pipeline).gates(text, text.encode(PROMPTS), PROMPTS)[:, 0].tolist()
    assert gates[0] == gates[3] == 1.0
    assert gates[1] == gates[4] == 0.0


def test_a_gate_is_the_larger_of_cosine_and_overlap() -> None:
    tokenizer = tiny_tokenizer()
    near, none, concept = (tokenizer(phrase)["input_ids"] for phrase in ("Zed at sea", "", "Zed Q"))
    special = tokenizer.all_special_ids
    assert token_overlap(near, concept, special) == pytest.approx(3 / 4)
    assert token_overlap(none, concept, special) == token_overlap(near, none, special) == 0.0
    states = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(1))
    by_hand = float((states[0] * states[1]).sum() / (states[0].norm() * states[1].norm()))
    assert float(cosines(states[:1], states[1:])[0, 0]) == pytest.approx(by_hand)

    pipeline = tiny_pipeline()
    text = TextStates(pipeline)
    raw = float(cosines(text.encode([FAR]), text.encode([CONCEPT]))[0, 0])
    for floor in (0.0, raw / 2, raw):
        gate = float(change_of(pipeline, floor).gates(text, text.encode([FAR]), [FAR])[0, 0])
        assert gate == pytest.approx((raw - floor) / (1 - floor), abs=1e-6)


def test_each_image_of_a_batch_has_its_own_gate() -> None:
    pipeline = ddim_pipeline()
    plain = latents_of(pipeline, PROMPTS, 2)
    with Erasure(sampling=change_of(pipeline)).applied_to(pipeline):
        together = latents_of(pipeline, PROMPTS, 2)
        alone = latents_of(pipeline, PROMPTS[:1], 2)
        copies = pipeline(
            PROMPTS[1:3],
            latents=torch.ones(4, 4, 8, 8, dtype=torch.float64),
            num_images_per_prompt=2,
            num_inference_steps=1,
            output_type="latent",
        ).images
    for far in (1, 4):
        torch.testing.assert_close(together[far], plain[far], rtol=1e-6, atol=1e-9)
    for near in (0, 3):
        assert float((together[near] - plain[near]).abs().max()) > 1e-2
    torch.testing.assert_close(together[0], alone[0], rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(copies[0], copies[1])
    torch.testing.assert_close(copies[2], copies[3])
    assert torch.equal(latents_of(pipeline, PROMPTS, 2), plain)


def test_gates_act_squared_where_factors_are_merged_as_released(tmp_path: Path) -> None:
    pipeline = ddim_pipeline()
    change = change_of(pipeline, floor=0.0)
    merged = change.model_copy(update={"merging": "factors"})
    text = TextStates(pipeline)
    gate = float(change.gates(text, text.encode([FAR]), [FAR])[0, 0])
    squared = {name: value * gate if name.startswith("up.") else value for name, value in change.tensors.items()}
    paintings = []
    for each in (change.model_copy(update={"tensors": squared}), merged, change):
        with Erasure(sampling=each).applied_to(pipeline):
            paintings.append(latents_of(pipeline, [FAR], 1))
    torch.testing.assert_close(paintings[0], paintings[1], rtol=1e-6, atol=1e-9)
    assert not torch.allclose(paintings[1], paintings[2], rtol=1e-3)

    # Files from before the setting have none, and the paper's way adds none to what their digest is of.
    assert set(change.settings) == {"concepts", "floors", "rank"}
    for each in (change, merged):
        Erasure(sampling=each).save(tmp_path / each.merging)
        loaded = Erasure.load(tmp_path / each.merging).sampling
        assert isinstance(loaded, GatedAdapters) and loaded.merging == each.merging


def test_text_states_in_place_of_a_prompt_are_refused() -> None:
    pipeline = tiny_pipeline()
    states = TextStates(pipeline).encode([FAR])
    with (
        Erasure(sampling=change_of(pipeline)).applied_to(pipeline),
        pytest.raises(UserError, match="this call has none"),
    ):
        pipeline(prompt_embeds=states, negative_prompt_embeds=states, num_inference_steps=1)
