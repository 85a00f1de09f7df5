"""UCE: Unified Concept Editing in Diffusion Models (Gandikota et al., WACV 2024, arXiv 2308.14761), for erasure.

    for every key and value projection W of the text cross-attention:
        W' = (sum W y x^T + s sum W c c^T + l W) (sum x x^T + s sum c c^T + l I)^-1

x: states of the concept's tokens; y: states of the anchor's, aligned; c: states of what is kept; l, s: weights. Since W
stands on the left of every term, W' = W T with one T for all projections: no training, one solve.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from erasebench.concepts import EVERY_KIND, Concept, ErasureTask, Kind
from erasebench.editing.config import ClosedFormConfig
from erasebench.editing.parameters import is_projection
from erasebench.editing.tokens import PLACEHOLDER, phrase_span
from erasebench.errors import UserError
from erasebench.identity import identity_field
from erasebench.method import Method, MethodConfig, Workspace
from erasebench.tuning.chosen import chosen_settings

if TYPE_CHECKING:
    import torch
    from diffusers import StableDiffusionPipeline
    from torch import Tensor
    from transformers import CLIPTokenizer

    from erasebench.editing.text_states import TextStates
    from erasebench.erasure import Erasure

Release = Literal["newer", "older"]
EMPTY_PROMPT = ""
# What a concept becomes; the empty text stands for the state of the start token alone.
RELEASED_ANCHOR: dict[Release, str] = {"newer": "", "older": " "}
NEWER_STYLE_ANCHOR = "art"


class UceConfig(ClosedFormConfig):
    """Settings of the closed form; the defaults are the newer release's."""

    release: Release = identity_field(
        "newer",
        "Which tokens stand for a phrase. newer: its last token; older: its last token and all that follow, aligned, "
        "and the kept names' prompts whole, with the empty prompt among them (the release of the published tables)",
        source="released code",
    )
    anchor: Literal["release", "task"] = identity_field(
        "release",
        "What a concept becomes: the release's own choice (newer: the empty prompt, for styles 'art'; older: ' ') or "
        "the suite's anchor",
        source="released code",
    )
    erase_scale: float = identity_field(1.0, "Weight of the erased tokens", source="released code", gt=0)
    preserve_scale: float | None = identity_field(
        None,
        "s, weight of the kept states; none: the release's rule (newer: 1; older: max(0.1, 1/n) for n kept prompts, "
        "the empty one counted)",
        source="released code",
        ge=0,
    )
    ridge: float = identity_field(0.5, "l, weight of staying near the original weights", source="released code", ge=0)


class Uce(Method):
    """Send the concept's tokens to the anchor's in every key and value projection; one closed form, no training."""

    name: ClassVar[str] = "uce"
    kinds: ClassVar[frozenset[Kind]] = EVERY_KIND
    Config: ClassVar[type[MethodConfig]] = UceConfig

    @classmethod
    def recipe(cls, *, world: str, kind: Kind, n_concepts: int, variant: str = "default") -> UceConfig:
        """'older', 'newer': that release, for every kind and number. 'default': the newer; in the miniature its own."""
        cls.check_variant(variant, "older", "newer")
        if variant == "default" and world == "miniature":
            return UceConfig(**chosen_settings(cls.name, kind))
        return UceConfig(release="older" if variant == "older" else "newer")

    def touches(self, parameter: str) -> bool:
        """Key and value projections of the text cross-attention."""
        return is_projection(parameter)

    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        """W T for every projection W. UserError for a name that does not fit the context or a singular solve."""
        from erasebench.editing.text_states import TextStates
        from erasebench.editing.transfer import edited_projections, json_condition
        from erasebench.erasure import Erasure

        text = TextStates(pipeline, self.config.text_batch_size)
        transfer, condition = uce_transfer(text, task, self.config, workspace.device)
        record = {
            "anchors": {concept.name: anchor_of(concept, self.config) for concept in task.concepts},
            "kept_prompts": kept_prompts(task, self.config),
            "condition_numbers": json_condition({"uce": condition}),
        }
        return Erasure(edited_projections(pipeline.unet, transfer), record)


def uce_transfer(text: TextStates, task: ErasureTask, config: UceConfig, device: torch.device) -> tuple[Tensor, float]:
    """The matrix T [d, d] float64 with W' = W T for every projection W, and the condition number of its solve."""
    from erasebench.editing.gram import EditSums, gram
    from erasebench.editing.solve import transfer_matrix

    sums = EditSums(text.width, device)
    for concept in task.concepts:
        anchor = anchor_of(concept, config)
        here, there = aligned_tokens(text.tokenizer, concept.name, anchor, config.release)
        erased, anchored = text.encode([concept.name, anchor])
        sums.send(erased[here].to(device), anchored[there].to(device), config.erase_scale)
    if kept := kept_prompts(task, config):
        sums.preserve(gram(kept_states(text, kept, config.release).to(device)), preserve_scale(len(kept), config))
    sums.stay(config.ridge)
    return transfer_matrix(
        sums,
        what="UCE's closed form",
        mend="Raise uce.ridge (rece.uce_ridge in RECE; 0.5 when published), or set allow_ill_conditioned=true.",
        allow_ill_conditioned=config.allow_ill_conditioned,
    )


def anchor_of(concept: Concept, config: UceConfig) -> str:
    """The text whose tokens a concept's tokens are sent to."""
    if config.anchor == "task":
        return concept.anchor
    if config.release == "newer" and concept.kind == "style":
        return NEWER_STYLE_ANCHOR
    return RELEASED_ANCHOR[config.release]


def kept_prompts(task: ErasureTask, config: UceConfig) -> list[str]:
    """The names to keep, each a prompt of its own; the older release keeps the empty prompt besides."""
    return [*task.keep, EMPTY_PROMPT] if config.release == "older" else list(task.keep)


def preserve_scale(n_kept: int, config: UceConfig) -> float:
    """s, as configured or by the release's rule."""
    if config.preserve_scale is not None:
        return float(config.preserve_scale)
    return max(0.1, 1 / n_kept) if config.release == "older" else 1.0


def aligned_tokens(tokenizer: CLIPTokenizer, phrase: str, anchor: str, release: Release) -> tuple[slice, slice]:
    """Positions in the concept's prompt and, equally many, in the anchor's: the last tokens, or also all after them.

    The last token of an empty anchor is the start token. UserError for a phrase without tokens.
    """
    here, there = last_token(tokenizer, phrase), last_token(tokenizer, anchor)
    if here == 0:
        raise UserError(
            f"The concept '{phrase}' has no tokens.", "Give the concept a name that the tokenizer can read."
        )
    length = 1 if release == "newer" else tokenizer.model_max_length - max(here, there)
    return slice(here, here + length), slice(there, there + length)


def kept_states(text: TextStates, prompts: Sequence[str], release: Release) -> Tensor:
    """What of the kept prompts is preserved, [n, d]: newer, each one's last token; older, all positions."""
    states = text.encode(prompts)
    if release == "older":
        return states.flatten(0, 1)
    return states[range(len(prompts)), [last_token(text.tokenizer, prompt) for prompt in prompts]]


def last_token(tokenizer: CLIPTokenizer, phrase: str) -> int:
    """Position of a bare phrase's last token; 0, the start token, where it has none. UserError where it is too long."""
    return phrase_span(tokenizer, PLACEHOLDER, phrase).stop - 1
