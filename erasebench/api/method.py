"""The contract of an erasure method: a configuration, `erase`, and the workspace that it may use."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from erasebench.api.concepts import ErasureTask, Kind
from erasebench.api.recipe import recipes_of
from erasebench.api.registry import Registry, class_of, load_class
from erasebench.errors import UserError, did_you_mean

if TYPE_CHECKING:
    import numpy as np
    import torch
    from diffusers import StableDiffusionPipeline
    from numpy.typing import NDArray
    from PIL.Image import Image

    from erasebench.api.erasure import Erasure


class MethodConfig(BaseModel):
    """Base of every method's configuration: each field is an `identity_field` or a `runtime_field`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class Box:
    """A detection: corners in pixels (x to the right, y down) and a score in [0, 1]."""

    x0: float
    y0: float
    x1: float
    y1: float
    score: float


@dataclass(frozen=True)
class Segmentation:
    """What a phrase was found on: n boxes (best first; n may be 0) and one mask for each, bool [n, H, W]."""

    boxes: list[Box]
    masks: NDArray[np.bool_]


class Workspace(Protocol):
    """What a method may use besides the pipeline; one for each erasure."""

    device: torch.device
    seed: int
    folder: Path
    """Scratch space that belongs to this erasure's identity and survives a kill: resuming lives here."""
    batch_size: int
    """Images that `sample` makes at a time: asked for as many, it leaves nothing idle."""

    def sample(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        *,
        steps: int | None = None,
        guidance: float | None = None,
        scheduler: str | None = None,
    ) -> list[Image]:
        """Images of the ORIGINAL model, one per prompt and seed; settings left out are the world's.

        `scheduler`: one of `erasebench.api.world.SCHEDULER_NAMES`.
        """
        ...

    def segment(self, images: Sequence[Image], phrase: str) -> list[Segmentation]:
        """Where `phrase` is on each image, by the world's segmenter; for a method that says so (`segments_for`)."""
        ...

    def progress(self, total: int, label: str) -> AbstractContextManager[Callable[[int], None]]:
        """A progress bar of `total` steps; call what it gives with the number of FURTHER steps done."""
        ...


class Method(ABC):
    """An erasure method. A subclass sets `name`, `kinds` and `Config`, and writes `recipe` where it has several."""

    name: ClassVar[str]
    kinds: ClassVar[frozenset[Kind]]
    acts_in_network: ClassVar[bool] = False
    """Whether its change of sampling acts by hooks or adapters inside the U-Net, which a compiled one would not run."""
    Config: ClassVar[type[MethodConfig]]
    segments: ClassVar[bool] = False
    """Whether `erase` may ask its workspace to segment; the segmenter's weights are asked for only then."""

    def __init__(self, config: MethodConfig) -> None:
        self.config: Any = config

    @classmethod
    def recipe(cls, *, world: str, kind: Kind, n_concepts: int, variant: str = "default") -> MethodConfig:
        """The settings for a world, kind and number of concepts. UserError for an unknown variant."""
        cls.check_variant(variant)
        settings = cls.chosen_settings(world, kind)
        try:
            return cls.Config(**settings)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            what = f"The recipe of {cls.name}: {first['loc'][0]}: {first['msg']}, not {first['input']!r}."
            raise UserError(what, "Correct the recipe file beside the method.") from error

    @classmethod
    def chosen_settings(cls, world: str, kind: Kind) -> dict[str, Any]:
        """What the recipe file beside the method chose for a world and kind (erasebench.api.recipe); {} for none.

        UserError for a setting that the method does not have.
        """
        found = recipes_of(cls, cls.name, world)
        settings = found.settings(kind) if found else {}
        for field in settings:
            if field not in cls.Config.model_fields:
                what = f"The recipe of {cls.name} sets '{field}', which the method does not have."
                raise UserError(what, did_you_mean(field, cls.Config.model_fields))
        return settings

    @classmethod
    def check_variant(cls, variant: str, *others: str, kind: Kind | None = None) -> None:
        """UserError for a recipe that is neither 'default' nor one of `others`; `kind`: where those are its own."""
        if variant not in ("default", *others):
            where = "" if kind is None else f" for kind '{kind}'"
            raise UserError(
                f"{cls.name} has no recipe '{variant}'{where}.", did_you_mean(variant, ["default", *others])
            )

    @classmethod
    def check_kind(cls, kind: Kind) -> None:
        """UserError for a kind of concept that this method does not erase."""
        if kind not in cls.kinds:
            raise UserError(
                f"{cls.name} does not erase concepts of kind {kind}.", f"It erases: {', '.join(sorted(cls.kinds))}."
            )

    def check_model(self, pipeline: StableDiffusionPipeline) -> None:  # noqa: B027
        """UserError for a model that the method's formula is not written for; called before any image is sampled."""

    def segments_for(self, kind: Kind) -> bool:
        """Whether erasing concepts of this kind with these settings segments; overridden where not always."""
        return self.segments

    def edits(self, parameter: str) -> bool:
        """Whether the edit may change `parameter`, 'unet.<name>' or 'text_encoder.<name>'; none unless overridden.

        erasebench.testing holds the method to it: whoever reads this line knows what cannot have changed.
        """
        return False

    @property
    def external(self) -> bool:
        """Whether the erasure rests on answers that no setting decides, such as a language model's.

        The same settings then give another erasure elsewhere, so its digest becomes part of the record's identity.
        """
        return False

    @property
    def label(self) -> str | None:
        """What the board calls the row in place of the method's name; it decides no result. None: the name."""
        return None

    @abstractmethod
    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        """The edit that erases `task.concepts`; leaves `pipeline` bit for bit as it was found."""


METHODS: Registry[type[Method]] = Registry("method", "erasebench.methods", class_of)


def load_method(name: str) -> type[Method]:
    """The method registered under `name`, or the class that 'path/to/file.py:Class' names.

    UserError for an unknown name, a file that is missing, or a class that is no Method.
    """
    return load_class(METHODS, name, Method)
