"""NewMethod: in one sentence, what it does and where it comes from (paper, year, arXiv number).

    for every key and value projection W of the text cross-attention:                    the paper's algorithm box
        W' = (sum W y x^T + p sum W c c^T + l W) (sum x x^T + p sum c c^T + l I)^-1

This start is a working method: it sends the states x of each concept's prompt to the states y of its anchor's, position
by position, and leaves the states c of what is to be kept alone. Replace what is yours; the rest can stay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from erasebench.api.concepts import ErasureTask, Kind
from erasebench.api.method import Method, MethodConfig, Workspace
from erasebench.editing.parameters import is_projection
from erasebench.identity import identity_field

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

    from erasebench.api.erasure import Erasure


class NewMethodConfig(MethodConfig):
    """Every setting: an identity_field decides the result, a runtime_field only speed or memory."""

    preserve: float = identity_field(1.0, "p, weight of what is kept, all of it together", source="ours", ge=0)
    ridge: float = identity_field(0.5, "l, weight of staying near the original weights", source="ours", gt=0)


class NewMethod(Method):
    """One line: what it computes."""

    name: ClassVar[str] = "new-method"
    kinds: ClassVar[frozenset[Kind]] = frozenset(("object", "person", "style", "explicit"))
    Config: ClassVar[type[MethodConfig]] = NewMethodConfig

    def edits(self, parameter: str) -> bool:
        """What the edit may change: here the key and value projections of the text cross-attention."""
        return is_projection(parameter)

    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        """The edit that erases `task.concepts`; `pipeline` has to be left as it was found."""
        # Here and not above, so that `erasebench list` loads no torch.
        from erasebench.api.erasure import Erasure
        from erasebench.editing.gram import EditSums, gram
        from erasebench.editing.solve import transfer_matrix
        from erasebench.editing.text_states import TextStates
        from erasebench.editing.transfer import edited_projections

        text = TextStates(pipeline)
        sums = EditSums(text.width, workspace.device)
        for concept in task.concepts:
            erased, anchored = text.encode([concept.name, concept.anchor])
            sums.map_to(erased, anchored)
        kept = [*task.keep, *task.prior_captions]
        for states in text.batches(kept):
            sums.preserve(gram(states), self.config.preserve / len(kept))
        sums.ridge(self.config.ridge)
        transfer, condition = transfer_matrix(sums, what="The closed form", hint="Raise new-method.ridge.")
        return Erasure(edited_projections(pipeline.unet, transfer), {"condition_number": condition})
