"""RECE: Reliable and Efficient Concept Erasure (Gong et al., ECCV 2024, arXiv 2407.12383).

    W_new <- UCE's edit of W_old, the concept sent to the anchor
    for each epoch:
        c' <- (r I + sum W_new^T W_new)^-1 (sum W_new^T W_old) c       what the edited weights still answer to as to c
        W_new <- (W_new (sum y c'^T + s G + l I)) (sum c' c'^T + s G + l I)^-1        y: the anchor, G: what is kept

The sums run over all key and value projections, c over all positions of the bare concept. Every W_new is W_old T for
one T, so with M = sum W_old^T W_old the derived states are (r I + T^T M T)^-1 T^T M c: d x d matrices, and no training.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from erasebench.api.concepts import EVERY_KIND, ErasureTask, Kind
from erasebench.api.method import Method, MethodConfig, Workspace
from erasebench.editing.config import ClosedFormConfig
from erasebench.editing.parameters import is_projection
from erasebench.identity import identity_field

from .uce import RELEASED_ANCHOR, Release, UceConfig, anchor_of, read_phrases, read_task, uce_transfer

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline
    from torch import Tensor

    from erasebench.api.erasure import Erasure

# RECE's released runs start from models that UCE's older release made.
RELEASE: Release = "older"
BLANK_PROMPT = RELEASED_ANCHOR[RELEASE]


class ReceConfig(ClosedFormConfig):
    """Settings in the order of the algorithm: the anchor, UCE's edit, then the epochs."""

    anchor: Literal["blank", "art"] = identity_field(
        "blank",
        "What a concept becomes: the blank prompt ' ', or 'art'. The paper does not say",
        source="released runs: 'art' for styles",
    )
    uce_ridge: float = identity_field(0.5, "l of UCE's edit", source="UCE's released code", ge=0)
    uce_keeps_names: bool = identity_field(
        False,
        "UCE's edit also preserves the names to keep; off: only the empty prompt",
        source="released runs: off ('preserve_false'), on for styles",
    )
    uce_preserve_scale: float | None = identity_field(
        None,
        "s of UCE's edit; none: UCE's rule, max(0.1, 1/n) for n kept prompts, the empty one counted",
        source="UCE's released code",
        ge=0,
    )
    epochs: int = identity_field(
        1,
        "Times that the concept is derived and erased again; the last epoch's weights are taken. The release judges "
        "each epoch's images: it keeps nudity's epoch of the lowest detection rate, and an object's only where others "
        "lose less than 0.1. Here methods do not use judges: for an earlier epoch, set fewer epochs",
        source="released runs: 3 for nudity, 2 for two or more inappropriate words, else 1",
        ge=0,
    )
    regularisation: float = identity_field(
        0.1, "r, weight of the regulariser", source="released runs: 0.1; styles and hard objects 1e-3", gt=0
    )
    regulariser: Literal["norm", "blank-prompt", "concept-outputs"] = identity_field(
        "norm",
        "What r keeps small: |c'|^2, as in the paper and every published run; |c' - e|^2, e the blank prompt's states; "
        "or sum |W_new (c' - c)|^2",
        source="paper; the others are 'standard' and 'surrogate first' in the released code",
    )
    ridge: float = identity_field(0.1, "l of an epoch's edit", source="released runs", ge=0)
    epochs_keep: Literal["blank", "blank-per-concept", "blank-and-names"] = identity_field(
        "blank",
        "What an epoch's edit preserves: the blank prompt, once or once for each concept, or also the names to keep. "
        "The paper does not say",
        source="released runs: once for each inappropriate word; beside the artists for styles",
    )
    preserve_scale: float = identity_field(0.1, "s, weight of what an epoch preserves", source="released runs", ge=0)


# Nobody published settings for people: r is that of styles, since a name is learnt like an artist's; the rest objects'.
PUBLISHED: Mapping[Kind, Mapping[str, Any]] = {
    "object": {"regularisation": 0.1, "epochs": 1},
    "person": {"regularisation": 1e-3, "epochs": 1},
    "style": {
        "anchor": "art",
        "uce_keeps_names": True,
        "uce_preserve_scale": 0.1,
        "regularisation": 1e-3,
        "epochs": 1,
        "epochs_keep": "blank-and-names",
    },
    "explicit": {"regularisation": 0.1, "epochs": 3, "epochs_keep": "blank-per-concept"},
}
HARD_OBJECTS = "hard-objects"


class Rece(Method):
    """UCE, then again and again: derive the embedding that still yields the concept, and erase that too."""

    name: ClassVar[str] = "rece"
    kinds: ClassVar[frozenset[Kind]] = EVERY_KIND
    Config: ClassVar[type[MethodConfig]] = ReceConfig

    @classmethod
    def recipe(cls, *, world: str, kind: Kind, n_concepts: int, variant: str = "default") -> ReceConfig:
        """The released settings of a kind, since the paper leaves open all that the release does.

        In the miniature, 'default' has what was chosen there in their place; 'as-released' is the release's in every
        world. 'hard-objects': the release's for objects that UCE leaves behind.
        """
        cls.check_variant(variant, "as-released", *([HARD_OBJECTS] if kind == "object" else []), kind=kind)
        own: dict[str, Any] = dict(PUBLISHED[kind])
        if kind == "explicit" and n_concepts > 1:
            own["epochs"] = 2
        if variant == HARD_OBJECTS:
            own["regularisation"] = 1e-3
        if world == "miniature" and variant == "default":
            own |= cls.chosen_settings(world, kind)
        return ReceConfig(**own)

    def edits(self, parameter: str) -> bool:
        """Key and value projections of the text cross-attention."""
        return is_projection(parameter)

    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        """W T for every projection W. UserError for a name that does not fit the context or a singular solve."""
        import torch

        from erasebench.api.erasure import Erasure
        from erasebench.editing.text_states import TextStates
        from erasebench.editing.transfer import edited_projections, float64_projections, json_condition, output_gram

        config: ReceConfig = self.config
        device = workspace.device
        text = TextStates(pipeline, config.text_batch_size)
        uce = uce_settings(config)
        given = task if config.uce_keeps_names else task.model_copy(update={"keep": ()})
        transfer, condition = uce_transfer(*read_task(text, given, uce), uce, device)
        conditions = {"uce": condition}
        anchor = anchor_of(task.concepts[0], uce)
        kept = kept_in_epochs(task, config)
        states = EpochStates(
            concepts=text.encode(task.names).to(device),
            anchor=text.encode([anchor])[0].to(device),
            blank=text.encode([BLANK_PROMPT])[0].to(device),
            kept=torch.stack([phrase.states for phrase in read_phrases(text, kept)]).to(device),
        )
        answers = output_gram(float64_projections(pipeline.unet, device).values())
        for epoch in epochs_of(transfer, answers, states, config):
            transfer, conditions = epoch.transfer, conditions | epoch.conditions
        record = {
            "anchor": anchor,
            "kept_names": list(given.keep),
            "kept_in_epochs": kept,
            "condition_numbers": json_condition(conditions),
        }
        return Erasure(edited_projections(pipeline.unet, transfer), record)


def uce_settings(config: ReceConfig) -> UceConfig:
    """UCE's edit that the epochs start from."""
    return UceConfig(
        release=RELEASE,
        anchor="art" if config.anchor == "art" else "release",
        ridge=config.uce_ridge,
        preserve_scale=config.uce_preserve_scale,
        allow_ill_conditioned=config.allow_ill_conditioned,
    )


def kept_in_epochs(task: ErasureTask, config: ReceConfig) -> list[str]:
    """The prompts that an epoch's edit preserves; one that stands there twice weighs twice."""
    if config.epochs_keep == "blank-per-concept":
        return [BLANK_PROMPT] * len(task.concepts)
    return [BLANK_PROMPT, *(task.keep if config.epochs_keep == "blank-and-names" else ())]


class EpochStates(NamedTuple):
    """At all L positions: concepts c [n, L, d], anchor y [L, d], blank prompt e [L, d], what is kept [m, L, d]."""

    concepts: Tensor
    anchor: Tensor
    blank: Tensor
    kept: Tensor


class Epoch(NamedTuple):
    """What one epoch found: c' [n, L, d], T [d, d] after it (W_new = W_old T), and the solves' condition numbers."""

    derived: Tensor
    transfer: Tensor
    conditions: dict[str, float]


def epochs_of(transfer: Tensor, answers: Tensor, states: EpochStates, config: ReceConfig) -> Iterator[Epoch]:
    """Each of the configured epochs in turn, all in float64; an epoch derives every c' before it edits.

    `transfer` is the T [d, d] of UCE's edit and `answers` M = sum W_old^T W_old [d, d]. UserError for a singular solve.
    """
    from erasebench.editing.gram import EditSums, gram
    from erasebench.editing.solve import transfer_matrix

    for number in range(1, config.epochs + 1):
        conditions: dict[str, float] = {}
        derived, conditions[f"derived in epoch {number}"] = derived_states(states, answers, transfer, config)
        sums = EditSums(len(transfer), transfer.device)
        for own in derived:
            sums.map_to(own, states.anchor)
        sums.preserve(gram(states.kept), config.preserve_scale)
        sums.ridge(config.ridge)
        step, conditions[f"epoch {number}"] = transfer_matrix(
            sums,
            what=f"RECE's edit of epoch {number}",
            hint="Raise rece.ridge (0.1 when published), or set rece.allow_ill_conditioned=true.",
            allow_ill_conditioned=config.allow_ill_conditioned,
        )
        # The edit starts from the current weights: W_new <- W_new step.
        transfer = transfer @ step
        yield Epoch(derived, transfer, conditions)


def derived_states(states: EpochStates, answers: Tensor, transfer: Tensor, config: ReceConfig) -> tuple[Tensor, float]:
    """c' [n, L, d] float64 of the concepts c, and the condition number of the solve.

    c' minimises sum |W_new c' - W_old c|^2 + r R(c') over all projections together, R the configured regulariser;
    `answers` is M = sum W_old^T W_old and `transfer` T, both [d, d].
    """
    from erasebench.editing.solve import Factor

    r, c = config.regularisation, states.concepts.double().flatten(0, 1)
    edited = transfer.T @ answers @ transfer
    # Rows are states, so each term of the right-hand side is transposed.
    right = c @ answers @ transfer
    if config.regulariser == "blank-prompt":
        right = right + r * states.blank.double().repeat(len(states.concepts), 1)
    if config.regulariser == "concept-outputs":
        system, right = (1 + r) * edited, right + r * c @ edited
    else:
        system = edited.diagonal_scatter(edited.diagonal() + r)
    factor = Factor(
        system,
        what="RECE's derived embedding",
        hint="Raise rece.regularisation (0.1 or 1e-3 when published), or set rece.allow_ill_conditioned=true.",
        allow_ill_conditioned=config.allow_ill_conditioned,
    )
    return factor.right_solve(right).unflatten(0, states.concepts.shape[:2]), factor.condition
