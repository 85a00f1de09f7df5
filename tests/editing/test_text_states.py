"""Text states are the pipeline's own."""

from __future__ import annotations

import torch

from erasebench.editing.text_states import TextStates
from tests.tiny_model import tiny_pipeline


def test_states_equal_what_the_pipeline_feeds_its_unet() -> None:
    pipeline = tiny_pipeline()
    prompts = ["a photo of Ada", "x" * 200, ""]
    with torch.no_grad():
        expected, _ = pipeline.encode_prompt(prompts, "cpu", 1, False)
    text = TextStates(pipeline)
    assert expected.shape == (3, text.context, text.width)
    torch.testing.assert_close(text.encode(prompts), expected, rtol=0, atol=0)


def test_small_batches_give_the_same_states() -> None:
    pipeline = tiny_pipeline()
    prompts = [f"a photo of number {i}" for i in range(5)]
    batches = list(TextStates(pipeline, batch_size=2).batches(prompts))
    assert [len(batch) for batch in batches] == [2, 2, 1]
    torch.testing.assert_close(torch.cat(batches), TextStates(pipeline).encode(prompts))


def test_remembered_prompts_keep_their_order_and_values_and_are_not_encoded_again() -> None:
    pipeline = tiny_pipeline()
    encoded: list[int] = []
    pipeline.text_encoder.register_forward_pre_hook(lambda module, inputs: encoded.append(len(inputs[0])))
    text = TextStates(pipeline, remembered=2)
    first = text.encode(["a", "b", "a", "c"])
    again = text.encode(["c", "b", "a"])
    assert encoded == [3, 1]
    assert torch.equal(first[0], first[2])
    assert torch.equal(again[1:], first[[1, 0]])
    torch.testing.assert_close(again[0], first[3])
