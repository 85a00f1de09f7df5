"""UCE: Unified Concept Editing in Diffusion Models (Gandikota et al., WACV 2024, arXiv 2308.14761), for erasure.

    for every key and value projection W of the text cross-attention:
        W' = (sum W y x^T + s sum W c c^T + l W) (sum x x^T + s sum c c^T + l I)^-1

x: states of the concept's tokens; y: states of the anchor's, aligned; c: states of what is kept; l, s: weights. Since W
stands on the left of every term, W' = W T with one T for all projections: no training, one solve.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from erasebench.api.concepts import EVERY_KIND, Concept, ErasureTask, Kind
from erasebench.api.method import Method, MethodConfig, Workspace
from erasebench.editing.config import ClosedFormConfig
from erasebench.editing.parameters import is_projection
from erasebench.editing.tokens import PLACEHOLDER, phrase_span
from erasebench.errors import UserError
from erasebench.identity import identity_field

if TYPE_CHECKING:
    import torch
    from diffusers import StableDiffusionPipeline
    from torch import Tensor

    from erasebench.api.erasure import Erasure
    from erasebench.editing.text_states import TextStates

Release = Literal["newer", "older"]
EMPTY_PROMPT = ""
# What a concept becomes; the empty text stands for the state of the start token alone.
RELEASED_ANCHOR: dict[Release, str] = {"newer": "", "older": " "}
STYLE_ANCHOR = "art"


class UceConfig(ClosedFormConfig):
    """Settings of the closed form; the defaults are the newer release's."""

    release: Release = identity_field(
        "newer",
        "Which tokens represent a phrase. newer: its last token; older: its last token and all that follow, aligned, "
        "and the kept names' prompts whole, with the empty prompt among them (the release of the published tables)",
        source="released code",
    )
    anchor: Literal["release", "art", "task"] = identity_field(
        "release",
        "What a concept becomes. release: the release's own choice (newer: the empty prompt, for styles 'art'; older: "
        "' '); art: the word 'art', where the older release's README sends styles; task: the suite's anchor",
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
        """'older', 'newer': that release as published, styles to 'art' in both. 'default': the newer's.

        The paper leaves open which tokens stand for a phrase and what it becomes. In the miniature, 'default' has what
        was chosen there.
        """
        cls.check_variant(variant, "older", "newer")
        if variant == "default" and world == "miniature":
            return UceConfig(**cls.chosen_settings(world, kind))
        if variant == "older":
            return UceConfig(release="older", anchor="art" if kind == "style" else "release")
        return UceConfig()

    def edits(self, parameter: str) -> bool:
        """Key and value projections of the text cross-attention."""
        return is_projection(parameter)

    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        """W T for every projection W. UserError for a name that does not fit the context or a singular solve."""
        from erasebench.api.erasure import Erasure
        from erasebench.editing.text_states import TextStates
        from erasebench.editing.transfer import edited_projections, json_condition

        text = TextStates(pipeline, self.config.text_batch_size)
        edits, kept = read_task(text, task, self.config)
        transfer, condition = uce_transfer(edits, kept, self.config, workspace.device)
        record = {
            "anchors": {concept.name: anchor_of(concept, self.config) for concept in task.concepts},
            "kept_prompts": kept_prompts(task, self.config),
            "condition_numbers": json_condition({"uce": condition}),
        }
        return Erasure(edited_projections(pipeline.unet, transfer), record)


class Phrase(NamedTuple):
    """A bare phrase as the text encoder reads it."""

    states: Tensor
    """[L, d], the start token, the end token and the padding included."""
    last: int
    """Position of its last token; 0, the start token, for the empty prompt."""


class Edit(NamedTuple):
    """One concept and what it becomes."""

    concept: Phrase
    anchor: Phrase


def read_task(text: TextStates, task: ErasureTask, config: UceConfig) -> tuple[list[Edit], list[Phrase]]:
    """The edits of all concepts, and the prompts to keep.

    UserError for a concept without tokens, and for a name that does not fit the context.
    """
    edits = []
    for concept in task.concepts:
        names = (concept.name, anchor_of(concept, config))
        here, there = (last_token(text, name) for name in names)
        if here == 0:
            raise UserError(
                f"The concept '{concept.name}' has no tokens.", "Give the concept a name that the tokenizer can read."
            )
        erased, anchored = text.encode(names)
        edits.append(Edit(Phrase(erased, here), Phrase(anchored, there)))
    return edits, read_phrases(text, kept_prompts(task, config))


def read_phrases(text: TextStates, phrases: Sequence[str]) -> list[Phrase]:
    """Each phrase as a prompt of its own. UserError for one that does not fit the context."""
    positions = [last_token(text, phrase) for phrase in phrases]
    states = text.encode(phrases) if phrases else ()
    return [Phrase(own, last) for own, last in zip(states, positions, strict=True)]


def uce_transfer(
    edits: Iterable[Edit], kept: Sequence[Phrase], config: UceConfig, device: torch.device
) -> tuple[Tensor, float]:
    """The matrix T [d, d] float64 with W' = W T for every projection W, and the condition number of its solve.

    T = (e sum y x^T + s sum c c^T + l I) (e sum x x^T + s sum c c^T + l I)^-1, the paper's closed form with the
    release's weights e and s. UserError where the solve is singular or ill-conditioned, unless the settings allow it.
    """
    import torch

    from erasebench.editing.gram import EditSums, gram
    from erasebench.editing.solve import transfer_matrix

    edits = list(edits)
    sums = EditSums(edits[0].concept.states.shape[-1], device)
    for edit in edits:
        x, y = aligned_states(edit, config.release)
        sums.map_to(x.to(device), y.to(device), config.erase_scale)
    if kept:
        c = torch.cat([kept_states(phrase, config.release) for phrase in kept])
        sums.preserve(gram(c.to(device)), preserve_scale(len(kept), config))
    sums.ridge(config.ridge)
    return transfer_matrix(
        sums,
        what="UCE's closed form",
        hint="Raise uce.ridge (rece.uce_ridge in RECE; 0.5 when published), or set allow_ill_conditioned=true.",
        allow_ill_conditioned=config.allow_ill_conditioned,
    )


def anchor_of(concept: Concept, config: UceConfig) -> str:
    """The text whose tokens a concept's tokens are sent to."""
    if config.anchor == "task":
        return concept.anchor
    if config.anchor == "art" or (config.release == "newer" and concept.kind == "style"):
        return STYLE_ANCHOR
    return RELEASED_ANCHOR[config.release]


def kept_prompts(task: ErasureTask, config: UceConfig) -> list[str]:
    """The names to keep, each a prompt of its own; the older release keeps the empty prompt besides."""
    return [*task.keep, EMPTY_PROMPT] if config.release == "older" else list(task.keep)


def preserve_scale(n_kept: int, config: UceConfig) -> float:
    """s, as configured or by the release's rule."""
    if config.preserve_scale is not None:
        return float(config.preserve_scale)
    return max(0.1, 1 / n_kept) if config.release == "older" else 1.0


def aligned_states(edit: Edit, release: Release) -> tuple[Tensor, Tensor]:
    """x, y [n, d]: the concept's states and, equally many, the anchor's.

    newer: the last token of each; older: the last token and all after it, cut to the shorter of the two.
    """
    (erased, here), (anchored, there) = edit
    length = 1 if release == "newer" else len(erased) - max(here, there)
    return erased[here : here + length], anchored[there : there + length]


def kept_states(phrase: Phrase, release: Release) -> Tensor:
    """c [n, d], what of a kept prompt is preserved: newer, its last token; older, all positions."""
    return phrase.states if release == "older" else phrase.states[phrase.last][None]


def last_token(text: TextStates, phrase: str) -> int:
    """Position of a bare phrase's last token; 0, the start token, where it has none. UserError where it is too long."""
    return phrase_span(text.tokenizer, PLACEHOLDER, phrase).stop - 1
