"""The part of an erasure that changes how the model is sampled rather than its weights; loads no torch.

A change is declared by entry point, like a method, so that a saved erasure finds it again:

    [project.entry-points."erasebench.sampling_changes"]
    negative-prompt = "erasebench.methods.negative_prompt:NegativePrompt"
"""

from __future__ import annotations

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from erasebench.api.registry import Registry, class_of
from erasebench.errors import UserError
from erasebench.files.source import source_digest
from erasebench.identity import digest

if TYPE_CHECKING:
    import torch
    from diffusers import StableDiffusionPipeline

Encode = Callable[..., tuple[Any, Any]]
"""A pipeline's `encode_prompt`: (prompt states, negative prompt states)."""


SHARED_SOURCES = ("erasebench.editing.adapters", "erasebench.editing.text_states")
"""What changes share while they sample: their source decides pixels as their own does."""


class SamplingChange(BaseModel, ABC):
    """A change of sampling: JSON-able settings, and tensors by name. A subclass sets `kind` and writes `applied_to`.

    It has to work on every call of the pipeline, at any batch size, each image depending on its own prompt alone.
    Within a call, change a weight of a text cross-attention by an operation on it or by new `.data`, not by writing
    into its `.data`: the sampler keeps keys and values of text for as long as it sees no change.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    kind: ClassVar[str]
    """The name that it is registered under."""

    tensors: Mapping[str, Any] = Field(default_factory=dict, exclude=True, repr=False)
    """float32 on the CPU; saved beside the erasure's weights."""

    @abstractmethod
    def applied_to(self, pipeline: StableDiffusionPipeline) -> AbstractContextManager[None]:
        """Change every call of `pipeline` inside the block; on leaving, the pipeline is as it was."""

    @property
    def settings(self) -> dict[str, Any]:
        """Everything but the tensors, JSON-able."""
        return self.model_dump(mode="json")

    @property
    def identity(self) -> str:
        """Digest of the kind, the settings and the source that carries them out; the tensors are the erasure's."""
        return digest([self.kind, self.settings, source_digest((__name__, type(self).__module__, *SHARED_SOURCES))])


SAMPLING_CHANGES: Registry[type[SamplingChange]] = Registry("sampling change", "erasebench.sampling_changes", class_of)


def restored(kind: str, settings: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> SamplingChange:
    """The change of this kind with these settings. UserError for an unknown kind or settings that it does not take."""
    # A method that is run by its path brings a change that no entry point names: it is loaded already.
    loaded = {each.kind: each for each in SamplingChange.__subclasses__()}
    change = loaded[kind] if kind in loaded else SAMPLING_CHANGES.load(kind)
    try:
        return change(**settings, tensors=tensors)
    except ValidationError as error:
        raise UserError(
            f"The sampling change '{kind}' does not accept these settings: {error.errors()[0]['msg']}.",
            "Erase again with this version of the method.",
        ) from error


@contextmanager
def watched_prompts(
    pipeline: StableDiffusionPipeline, change: Callable[[Encode, Mapping[str, Any]], Any]
) -> Iterator[None]:
    """Put `change(encode, arguments)` in the place of the pipeline's encode_prompt, which every call runs once, first.

    `arguments` are those of encode_prompt by name, defaults included; what `change` returns takes its result's place.
    """
    encode: Encode = pipeline.encode_prompt
    signature = inspect.signature(encode)

    @functools.wraps(encode)
    def encode_prompt(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return change(encode, bound.arguments)

    outer = vars(pipeline).get("encode_prompt")
    pipeline.encode_prompt = encode_prompt
    try:
        yield
    finally:
        del pipeline.encode_prompt
        if outer is not None:
            pipeline.encode_prompt = outer


def require_guidance(arguments: Mapping[str, Any], what: str) -> None:
    """UserError where a call samples without classifier-free guidance, which `what` acts through."""
    if not arguments["do_classifier_free_guidance"]:
        raise UserError(
            f"{what} needs classifier-free guidance, but this call has none.", "Give a guidance scale above 1."
        )


def packed_phrases(tokenizer: Any, names: tuple[str, ...]) -> tuple[str, ...]:
    """`names` joined by commas into as few phrases as the text encoder's context allows, in their order.

    UserError for a name that alone is longer than the context: nothing is cut silently.
    """
    room = tokenizer.model_max_length - 2
    phrases: list[str] = []
    for name in names:
        length = len(tokenizer(name, add_special_tokens=False)["input_ids"])
        if length > room:
            raise UserError(
                f"The name '{name}' has {length} tokens; the text encoder reads {room}.", "Give a shorter name."
            )
        longer = f"{phrases[-1]}, {name}" if phrases else name
        if phrases and len(tokenizer(longer, add_special_tokens=False)["input_ids"]) <= room:
            phrases[-1] = longer
        else:
            phrases.append(name)
    return tuple(phrases)
