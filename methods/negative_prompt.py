"""np: the concepts as negative prompt, the baseline that any user can apply without any training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from erasebench.api.concepts import EVERY_KIND, ErasureTask, Kind
from erasebench.api.method import Method, MethodConfig, Workspace
from erasebench.api.sampling_change import Encode, SamplingChange, packed_phrases, require_guidance, watched_prompts
from erasebench.errors import UserError

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

    from erasebench.api.erasure import Erasure


class NegativePrompt(SamplingChange):
    """The phrases take the place of the empty prompt in classifier-free guidance.

    One phrase is diffusers' own `negative_prompt`. Of several, as many names need, the text states stand side by side.
    """

    kind: ClassVar[str] = "negative-prompt"

    phrases: tuple[str, ...]

    @contextmanager
    def applied_to(self, pipeline: StableDiffusionPipeline) -> Iterator[None]:
        """See SamplingChange. UserError at a call without guidance, or with a negative prompt of its own."""

        def with_phrases(encode: Encode, arguments: Mapping[str, Any]) -> Any:
            import torch

            require_guidance(arguments, "A negative prompt")
            if arguments["negative_prompt"] is not None or arguments["negative_prompt_embeds"] is not None:
                raise UserError(
                    "This call has its own negative prompt.", "Leave it out: the erasure sets the negative prompt."
                )
            prompt = arguments["prompt"]
            count = len(arguments["prompt_embeds"] if prompt is None else prompt)
            encoded = [
                encode(**{**arguments, "negative_prompt": phrase if isinstance(prompt, str) else [phrase] * count})
                for phrase in self.phrases
            ]
            # Attention to k copies of the prompt's states equals attention to one: only the lengths have to agree.
            return tuple(torch.cat(states, dim=1) for states in zip(*encoded, strict=True))

        with watched_prompts(pipeline, with_phrases):
            yield


class NegativePrompting(Method):
    """Samples with the names of all concepts as negative prompt."""

    name: ClassVar[str] = "np"
    kinds: ClassVar[frozenset[Kind]] = EVERY_KIND
    Config: ClassVar[type[MethodConfig]] = MethodConfig

    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        """No changed weight. UserError for a name longer than the text encoder's context."""
        from erasebench.api.erasure import Erasure

        phrases = packed_phrases(pipeline.tokenizer, task.names)
        return Erasure(record={"negative_prompts": list(phrases)}, sampling=NegativePrompt(phrases=phrases))
