"""RECE: Reliable and Efficient Concept Erasure (Gong et al., ECCV 2024, arXiv 2407.12383).

    W_new <- UCE's edit of W_old, the concept sent to the empty prompt
    for each epoch:
        c' <- (r I + sum W_new^T W_new)^-1 (sum W_new^T W_old) c       what the edited weights still answer to as to c
        W_new <- (W_new (sum y c'^T + s G + l I)) (sum c' c'^T + s G + l I)^-1        y: the empty prompt, G: its Gram

The sums run over all key and value projections, c over all positions of the bare concept. Every W_new is W_old T for
one T, so with M = sum W_old^T W_old the derived states are (r I + T^T M T)^-1 T^T M c: d x d matrices, and no training.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from erasebench.concepts import EVERY_KIND, ErasureTask, Kind
from erasebench.editing.config import ClosedFormConfig
from erasebench.editing.parameters import is_projection
from erasebench.identity import identity_field
from erasebench.method import Method, MethodConfig, Workspace
from erasebench.tuning.chosen import chosen_settings

from .uce import RELEASED_ANCHOR, Release, UceConfig, uce_transfer

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline
    from torch import Tensor

    from erasebench.erasure import Erasure

# RECE's released runs start from models that UCE's older release made.
RELEASE: Release = "older"
EMPTY = RELEASED_ANCHOR[RELEASE]


class ReceConfig(ClosedFormConfig):
    """Settings in the order of the algorithm: UCE's edit, then the epochs."""

    uce_ridge: float = identity_field(0.5, "l of UCE's edit", source="UCE's released code", ge=0)
    uce_keeps_names: bool = identity_field(
        False,
        "UCE's edit also preserves the names to keep; off: the empty prompt alone",
        source="released runs ('preserve_false')",
    )
    epochs: int = identity_field(
        1, "Times that the concept is derived and erased again", source="released runs: 3 for nudity, else 1", ge=0
    )
    regularisation: float = identity_field(
        0.1,
        "r, keeps the derived states small",
        source="released runs: 0.1; styles and hard objects 1e-3",
        gt=0,
    )
    ridge: float = identity_field(0.1, "l of an epoch's edit", source="released runs", ge=0)
    preserve_scale: float = identity_field(
        0.1, "s, weight of the empty prompt in an epoch's edit", source="released runs", ge=0
    )


# Nobody published settings for people; a name is learnt like an artist's, so theirs are those of styles.
PUBLISHED: Mapping[Kind, Mapping[str, Any]] = {
    "object": {"regularisation": 0.1, "epochs": 1},
    "person": {"regularisation": 1e-3, "epochs": 1},
    "style": {"regularisation": 1e-3, "epochs": 1},
    "explicit": {"regularisation": 0.1, "epochs": 3},
}
HARD_OBJECTS = "hard-objects"


class Rece(Method):
    """UCE, then again and again: derive the embedding that still yields the concept, and erase that too."""

    name: ClassVar[str] = "rece"
    kinds: ClassVar[frozenset[Kind]] = EVERY_KIND
    Config: ClassVar[type[MethodConfig]] = ReceConfig

    @classmethod
    def recipe(cls, *, world: str, kind: Kind, n_concepts: int, variant: str = "default") -> ReceConfig:
        """The released settings of a kind; 'hard-objects': those for objects that UCE leaves behind.

        In the miniature, 'default' is what was chosen there.
        """
        cls.check_variant(variant, *([HARD_OBJECTS] if kind == "object" else []), kind=kind)
        own: Mapping[str, Any] = {"regularisation": 1e-3} if variant == HARD_OBJECTS else {}
        if world == "miniature" and variant == "default":
            own = chosen_settings(cls.name, kind)
        return ReceConfig(**{**PUBLISHED[kind], **own})

    def touches(self, parameter: str) -> bool:
        """Key and value projections of the text cross-attention."""
        return is_projection(parameter)

    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        """W T for every projection W. UserError for a name that does not fit the context or a singular solve."""
        from erasebench.editing.gram import EditSums, gram
        from erasebench.editing.solve import transfer_matrix
        from erasebench.editing.text_states import TextStates
        from erasebench.editing.transfer import edited_projections, json_condition, output_gram
        from erasebench.erasure import Erasure

        config: ReceConfig = self.config
        device = workspace.device
        text = TextStates(pipeline, config.text_batch_size)
        told = task if config.uce_keeps_names else task.model_copy(update={"keep": ()})
        transfer, condition = uce_transfer(text, told, self._uce, device)
        conditions = {"uce": condition}

        answers = output_gram(pipeline.unet, device)
        concepts = text.encode(task.names).to(device)
        empty = text.encode([EMPTY])[0].to(device)
        for epoch in range(1, config.epochs + 1):
            derived, conditions[f"derived in epoch {epoch}"] = derived_states(concepts, answers, transfer, config)
            sums = EditSums(text.width, device)
            for states in derived:
                sums.send(states, empty)
            sums.preserve(gram(empty), config.preserve_scale)
            sums.stay(config.ridge)
            step, conditions[f"epoch {epoch}"] = transfer_matrix(
                sums,
                what=f"RECE's edit of epoch {epoch}",
                mend="Raise rece.ridge (0.1 when published), or set rece.allow_ill_conditioned=true.",
                allow_ill_conditioned=config.allow_ill_conditioned,
            )
            transfer = transfer @ step
        record = {"kept_names": list(told.keep), "condition_numbers": json_condition(conditions)}
        return Erasure(edited_projections(pipeline.unet, transfer), record)

    @property
    def _uce(self) -> UceConfig:
        return UceConfig(
            release=RELEASE,
            ridge=self.config.uce_ridge,
            allow_ill_conditioned=self.config.allow_ill_conditioned,
        )


def derived_states(concepts: Tensor, answers: Tensor, transfer: Tensor, config: ReceConfig) -> tuple[Tensor, float]:
    """c' [n, positions, d] float64 for concept states c of that shape, and the condition number of the solve.

    `answers` is M = sum W_old^T W_old and `transfer` T, both [d, d]; c' minimises, over all projections together,
    sum |W_new c' - W_old c|^2 + r |c'|^2.
    """
    from erasebench.editing.solve import Factor

    system = transfer.T @ answers @ transfer
    system.diagonal().add_(config.regularisation)
    factor = Factor(
        system,
        what="RECE's derived embedding",
        mend="Raise rece.regularisation (0.1 or 1e-3 when published), or set rece.allow_ill_conditioned=true.",
        allow_ill_conditioned=config.allow_ill_conditioned,
    )
    right = concepts.double().flatten(0, 1) @ answers @ transfer
    return factor.right_solve(right).unflatten(0, concepts.shape[:2]), factor.condition
