"""SPM while sampling: how open each concept's membrane is for each prompt of a batch; loads no torch by itself."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from erasebench.api.sampling_change import Encode, SamplingChange, watched_prompts
from erasebench.errors import UserError

from .config import Merging

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline
    from torch import Tensor

    from erasebench.editing.text_states import TextStates


def cosines(prompts: Tensor, concepts: Tensor) -> Tensor:
    """Cosine of whole text states: prompts [n, tokens, d] and concepts [k, tokens, d] give [n, k], in float32 or 64."""
    import torch

    dtype = torch.promote_types(prompts.dtype, torch.float32)
    prompts, concepts = prompts.flatten(1).to(dtype), concepts.flatten(1).to(dtype)
    return (prompts / prompts.norm(dim=1, keepdim=True)) @ (concepts / concepts.norm(dim=1, keepdim=True)).T


def token_overlap(prompt: Collection[int], concept: Collection[int], special: Collection[int]) -> float:
    """The share of the concept's token ids that the prompt has, `special` ones left out; 0 for a concept of none."""
    wanted = set(concept) - set(special)
    return len(wanted & set(prompt)) / max(1, len(wanted))


def opening(cosine: Tensor, overlap: Tensor, floors: Tensor) -> Tensor:
    """A gate in [0, 1]: the larger of token overlap and cosine, the latter counted from the concept's floor [k] on."""
    return ((cosine - floors) / (1 - floors)).clamp(0, 1).maximum(overlap)


class GatedAdapters(SamplingChange):
    """Every concept's membrane, as open for an image as its prompt is near the concept (facilitated transport).

    `tensors`: 'down.<layer>' [k rank, in(, h, w)] and 'up.<layer>' [out, k rank], concept after concept. Each image's
    gates are of its own prompt; in the release all prompts of a batch have the first one's token overlap.
    """

    kind: ClassVar[str] = "gated-adapters"

    concepts: tuple[str, ...]
    floors: tuple[float, ...]
    rank: int
    merging: Merging = "products"

    @property
    def settings(self) -> dict[str, Any]:
        """See SamplingChange. Without `merging` where it is the paper's: files from before it have no such setting."""
        own = super().settings
        return {name: value for name, value in own.items() if (name, value) != ("merging", "products")}

    def gates(self, text: TextStates, states: Tensor, prompts: list[str]) -> Tensor:
        """max(cosine, token overlap) of each prompt with each concept, [n, k]; `states` are the prompts' own."""

        def ids(phrase: str) -> list[int]:
            return list(text.tokenizer(phrase, add_special_tokens=False)["input_ids"])

        near = cosines(states, text.encode(self.concepts))
        wanted, special = [ids(concept) for concept in self.concepts], text.tokenizer.all_special_ids
        given = [ids(prompt) for prompt in prompts]
        overlap = [[token_overlap(prompt, concept, special) for concept in wanted] for prompt in given]
        return opening(near, near.new_tensor(overlap), near.new_tensor(self.floors))

    @contextmanager
    def applied_to(self, pipeline: StableDiffusionPipeline) -> Iterator[None]:
        """See SamplingChange. UserError at a call that brings text states in place of a prompt."""
        from erasebench.editing.adapters import adapted
        from erasebench.editing.text_states import TextStates

        text, unet = TextStates(pipeline), pipeline.unet
        weights = {name: value.to(unet.device, unet.dtype) for name, value in self.tensors.items()}
        current: list[Tensor | None] = [None]

        def open_gates(encode: Encode, arguments: Mapping[str, Any]) -> Any:
            prompt, copies = arguments["prompt"], arguments["num_images_per_prompt"]
            if prompt is None:
                raise UserError("SPM's gates read the prompt, but this call has none.", "Give the prompt as text.")
            states, negative = encode(**arguments)
            prompts = [each for each in ([prompt] if isinstance(prompt, str) else prompt) for _ in range(copies)]
            current[0] = self.gates(text, states, prompts).repeat_interleave(self.rank, dim=1).to(unet.dtype)
            return states, negative

        merged = self.rank if self.merging == "factors" else None
        with watched_prompts(pipeline, open_gates), adapted(unet, weights, lambda: current[0], merged):
            yield
