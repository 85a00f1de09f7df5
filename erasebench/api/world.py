"""The contract of a world: a base pipeline with its concept lists, its judges and its reference images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field

from erasebench.api.concepts import Kind
from erasebench.api.judge_settings import JudgeSettings
from erasebench.api.judges import MEASURES, metrics_of
from erasebench.api.registry import Registry, class_of, load_class
from erasebench.errors import UserError

if TYPE_CHECKING:
    import torch
    from diffusers import StableDiffusionPipeline
    from PIL.Image import Image

    from erasebench.api.judge import Judge
    from erasebench.api.method import Segmentation

Role = Literal["erase", "retain", "validation-erase", "validation-retain"]
SizeName = Literal["small", "full"]


SCHEDULER_NAMES = ("ddim", "dpmsolver++", "euler", "euler-ancestral", "lcm")
"""What `erasebench.diffusion.schedulers` makes."""


class SamplingDefaults(BaseModel):
    """How a world samples unless set otherwise: steps, guidance scale, pixels, scheduler, images a batch."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(gt=0)
    guidance: float = Field(ge=0)
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    scheduler: str = "ddim"
    batch_size: int = Field(gt=0)


class GeneralRow(NamedTuple):
    """A ready-made prompt (a caption in the role of COCO, an explicit prompt) and the seed that it is sampled with.

    `concept`: what it is about, or "". `guidance`, `width`, `height` (pixels): its own settings, where it has any.
    """

    prompt: str
    seed: int
    concept: str = ""
    guidance: float | None = None
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True)
class ConceptLists:
    """The names of a world by kind and role, each list ordered so that smaller scales are its prefixes."""

    lists: Mapping[tuple[Kind, Role], tuple[str, ...]]
    synonyms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Other words for a name, which an erasure should reach too."""
    extra_retain: Mapping[Kind, tuple[str, ...]] = field(default_factory=dict)
    """Names that a method is given to keep on top of a suite's own, and that no group measures."""

    def names(self, kind: Kind, role: Role) -> tuple[str, ...]:
        """The names of one kind in one role; UserError where the world has none."""
        found = self.lists.get((kind, role), ())
        if not found:
            known = sorted(f"{kind}/{role}" for kind, role in self.lists)
            raise UserError(f"This world has no {role} list of kind {kind}.", f"It has: {', '.join(known) or 'none'}.")
        return found

    def all_names(self, kind: Kind) -> tuple[str, ...]:
        """Every name of a kind, whatever its role."""
        return tuple(name for (listed, _), names in self.lists.items() if listed == kind for name in names)


class Segmenter(Protocol):
    """Finds what a phrase names on images."""

    @property
    def digest(self) -> str:
        """Of everything that decides a mask: weights, settings, source."""
        ...

    def segment(self, images: Sequence[Image], phrase: str) -> list[Segmentation]:
        """One Segmentation per image; nothing found is an empty one."""
        ...


class World(ABC):
    """A base model and everything that belongs to it. Making one loads no weights."""

    name: ClassVar[str]
    about: ClassVar[str] = ""
    """What this world is and is not, for the board's readers."""
    default_size: ClassVar[SizeName] = "small"
    judges: ClassVar[frozenset[str]] = frozenset(MEASURES.values())
    """The names that `judge` knows; the judges of the protocol unless a world has others."""
    recipes: ClassVar[str | None] = None
    """The world whose recipes methods use here; None: this one's own."""
    prior_source: ClassVar[str] = ""
    """Where `prior_captions` can be found, for the record of an exported model."""
    first_seed: ClassVar[int] = 1
    """The first evaluation seed of every prompt of a suite; 1 by the protocol."""

    half_dtype: str = "float16"
    """The half precision that images are sampled in on a GPU, unless the user asks otherwise."""

    erasing_threads: ClassVar[int | None] = None
    """Threads that a method has on the CPU, so that its erasure is the same on any number of cores; None: all."""
    training_image_threads: ClassVar[int | None] = None
    """Threads for the images that a method asks for: as many as give the pixels of one; None: as the method has."""

    usual_sampling: ClassVar[SamplingDefaults | None] = None
    """How the model that the world is named after samples: for a forecast where the model itself is not there."""

    sampling: SamplingDefaults
    sampling_given: Mapping[str, Any] = MappingProxyType({})
    """Fields of `sampling` that the user asked for."""
    concept_lists: ConceptLists
    judge_settings: JudgeSettings = JudgeSettings()
    """What the user set for the judges (`judge_with`), before one is asked for."""
    judges_read: ClassVar[frozenset[str]] = frozenset(JudgeSettings.model_fields)
    """The fields of `judge_settings` that this world's judges read; to give another one is refused."""

    @classmethod
    def open(cls, model: str | None = None) -> Self:
        """The world on its own weights; a world that takes other weights overrides this."""
        if model is not None:
            raise UserError(f"The world {cls.name} has its own model: {model} cannot be used.", "Leave --model out.")
        return cls()

    def judge_with(self, settings: JudgeSettings) -> None:
        """Judge with `settings` from now on. UserError for one that no judge of this world reads."""
        settings.check_read_by(self.name, self.judges_read)
        self.judge_settings = settings

    def sample_with(self, given: Mapping[str, Any]) -> None:
        """Sample with `given` (fields of SamplingDefaults, as the user asks) from now on; nothing given: as usual.

        UserError for a model that cannot be sampled so. Asked before any work, also where nothing is given.
        """
        self.sampling_given = dict(given)
        if given:
            self.sampling = self.sampling.model_copy(update=given)

    @abstractmethod
    def weights_digest(self) -> str:
        """SHA-256 of the base model's weights and configs; cheap to ask for twice, and loads no torch."""

    @abstractmethod
    def pipeline(self, device: torch.device | str = "cpu", dtype: torch.dtype | None = None) -> StableDiffusionPipeline:
        """The base pipeline on `device`, safety checker off; UserError for a folder that is none. None: float32."""

    @abstractmethod
    def segmenter(self, device: torch.device | str = "cpu") -> Segmenter:
        """The world's segmenter. UserError says which weights are missing and where to put them."""

    def segmenter_digest(self) -> str:
        """The digest of the segmenter; a world that can tell it without loading the weights overrides this."""
        return self.segmenter("cpu").digest

    @abstractmethod
    def judge(self, name: str, device: torch.device | str = "cpu") -> Judge:
        """One of `judges`. UserError says which weights are missing and where to put them."""

    def judge_files(self) -> tuple[Path, ...]:
        """Files outside the package and the model that judges or the segmenter read.

        Where one of them changes, nothing counts as finished.
        """
        return ()

    @abstractmethod
    def prior_captions(self) -> tuple[str, ...]:
        """Captions of what an edit should leave alone, none of them a general prompt.

        They are general, as COCO's: they may name classes of objects and synonyms, the erased ones included.
        """

    @abstractmethod
    def general_prompts(self) -> list[GeneralRow]:
        """The general group in its order; smaller sizes are prefixes. UserError where it has to be imported first."""

    def explicit_prompts(self) -> list[GeneralRow]:
        """Prompts of explicit content in their order, for the explicit suite. UserError where there are none."""
        raise UserError(f"The world {self.name} has no prompts of explicit content.", "Use a world that has them.")

    def cannot_judge(self, judge: str, name: str) -> str | None:
        """Why a judge of this world cannot tell a concept that is not in the concept lists; None where it can.

        CLIP compares an image with any words, and a distance or a detector of regions asks for no name; a recogniser
        knows those that it has learned. A world whose judges differ overrides it.
        """
        metrics = metrics_of(judge)
        if metrics is None or metrics.names == "lists":
            return "it knows only the names of this world's concept lists"
        if metrics.names == "classes":
            words = {other: known for known, others in self.concept_lists.synonyms.items() for other in others}
            return f"it is another word for '{words[name]}', one of its classes" if name in words else None
        return None

    def missing(self, what: str) -> UserError | None:
        """What keeps 'model', 'segmenter', 'prior' or a judge from loading, off the files alone; None: nothing known.

        Without its 'prior' (captions) a run still goes on. Loads no torch: a forecast asks it before there is work. A
        world whose weights or captions are not shipped overrides it.
        """
        return None

    def stands_in(self, what: str) -> bool:
        """Whether 'model', 'segmenter' or a judge is a stand-in (`erasebench.files.stand_ins`), off the files alone.

        Records name it, and no board shows them. A world whose weights are not shipped overrides it.
        """
        return False


WORLDS: Registry[type[World]] = Registry("world", "erasebench.worlds", class_of)


def load_world(name: str, model: str | None = None) -> World:
    """The world registered under `name` or named as 'path/to/file.py:Class'; `model`: a hub id or a folder.

    UserError as `load_method`, and for a model that is none or that the world does not take.
    """
    return load_class(WORLDS, name, World).open(model)


def world_of_size(size: SizeName) -> str:
    """Erasebench's own world whose usual size this is, splits of another world apart: not what somebody installs."""
    return next(name for name, world in own_worlds().items() if world.default_size == size and world.recipes is None)


def own_worlds() -> dict[str, type[World]]:
    """Erasebench's own worlds by name: what somebody installs is loaded only where it is asked for."""
    return {name: WORLDS.load(name) for name in WORLDS.names() if WORLDS.is_own(name)}
