"""The unedited model, measured like any method so that every metric has something to stand beside."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from erasebench.api.concepts import EVERY_KIND, ErasureTask, Kind
from erasebench.api.method import Method, MethodConfig, Workspace

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

    from erasebench.api.erasure import Erasure


class Original(Method):
    """Changes nothing: an empty Erasure."""

    name: ClassVar[str] = "original"
    kinds: ClassVar[frozenset[Kind]] = EVERY_KIND
    Config: ClassVar[type[MethodConfig]] = MethodConfig

    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        """An empty edit, whatever the task."""
        from erasebench.api.erasure import Erasure

        return Erasure()
