"""A method under examination: its settings, the toy tasks it is given, and what is seen while it erases."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from pydantic import ValidationError

from erasebench.api.concepts import Concept, ErasureTask, Kind
from erasebench.api.erasure import Erasure
from erasebench.api.method import Method, MethodConfig, load_method
from erasebench.diffusion.sampling import SampleSpec
from erasebench.testing.fingerprint import fingerprint
from erasebench.testing.model import tiny_pipeline
from erasebench.testing.workspace import ToyWorkspace, overheard

SEED = 2024
# Two concepts, one a word of the other; the tokenizer spells, so names are short.
NAMES: dict[Kind, tuple[str, str]] = {
    "object": ("ship", "old ship"),
    "person": ("Ann Ash", "Ann"),
    "style": ("Ida Ives", "Ida"),
    "explicit": ("naked", "nudity"),
}
ANCHORS: dict[Kind, str] = {"object": "sky", "person": "a person", "style": "art", "explicit": "clothes"}
KEEP: dict[Kind, tuple[str, ...]] = {"person": ("Bob Bell", "Cat Ash"), "style": ("Jon June", "Kay King")}
CAPTIONS = ("a red ball", "two blue boxes", "rain")


@dataclass(frozen=True)
class Observed:
    """One erasure, and all that was seen of it: the pipeline before and after, texts tokenised, prompts sampled."""

    erasure: Erasure
    before: dict[str, Any]
    after: dict[str, Any]
    heard: list[str]
    generated: list[str]


class Candidate:
    """A method with settings small enough for a toy; every erasure happens once and is kept.

    `method`: a class, a registered name, or 'path/to/file.py:Class'. `settings`: what differs from its recipe, as
    --set would give it: a few steps, a few images. `pipeline`: another model than the kit's own.
    """

    def __init__(
        self,
        method: type[Method] | str,
        settings: Mapping[str, Any] | None = None,
        pipeline: StableDiffusionPipeline | None = None,
    ) -> None:
        self.method = load_method(method) if isinstance(method, str) else method
        self.settings = dict(settings or {})
        self.pipeline = pipeline or tiny_pipeline()
        self._folder = tempfile.TemporaryDirectory(prefix="erasebench-testing-")
        self._seen: dict[tuple[Kind, str], Observed] = {}

    def __repr__(self) -> str:
        return f"Candidate({self.method.name})"

    @cached_property
    def kind(self) -> Kind:
        """The kind that saving and determinism are checked on: people where the method erases them."""
        return "person" if "person" in self.method.kinds else min(self.method.kinds)

    @property
    def kinds(self) -> list[Kind]:
        """All that the method erases, in a fixed order."""
        return sorted(self.method.kinds)

    def folder(self, name: str) -> Path:
        """A scratch folder of this name; it goes when the candidate goes."""
        return Path(self._folder.name) / name

    def config(self, kind: Kind) -> MethodConfig:
        """The method's own recipe for a world that it does not know, with the candidate's settings."""
        recipe = self.method.recipe(world="toy", kind=kind, n_concepts=2)
        try:
            return type(recipe).model_validate(recipe.model_dump() | self.settings)
        except ValidationError as error:
            raise AssertionError(f"{self.method.name} does not accept the candidate's settings: {error}") from error

    def erased(self, kind: Kind | None = None, scratch: str = "first") -> Observed:
        """What was seen of erasing two concepts of this kind in a scratch folder of this name.

        The global random states are scrambled first: a method draws from generators seeded by its workspace.
        """
        kind = kind or self.kind
        if (kind, scratch) not in self._seen:
            self._seen[kind, scratch] = self.erase_again(kind, scratch)
        return self._seen[kind, scratch]

    def erase_again(self, kind: Kind, scratch: str) -> Observed:
        """The same, never from memory."""
        _scramble()
        method = self.method(self.config(kind))
        segments = method.segments_for(kind)
        workspace = ToyWorkspace(self.pipeline, self.folder(f"{kind}-{scratch}"), SEED, segments=segments)
        before = fingerprint(self.pipeline)
        with overheard(self.pipeline) as heard:
            erasure = method.erase(self.pipeline, task_of(kind), workspace)
        return Observed(erasure, before, fingerprint(self.pipeline), heard, workspace.generated)


def task_of(kind: Kind) -> ErasureTask:
    """Two concepts of a kind to erase, what to keep, and a prior of three captions."""
    concepts = tuple(Concept(name=name, kind=kind, anchor=ANCHORS[kind]) for name in NAMES[kind])
    return ErasureTask(concepts=concepts, keep=KEEP.get(kind, ()), prior_captions=CAPTIONS)


def specs_of(kind: Kind) -> list[SampleSpec]:
    """More images than one batch holds, with an erased name in some prompts."""
    prompts = [*(f"{name} at noon" for name in NAMES[kind]), "a red ball", "", "two blue boxes"]
    return [SampleSpec(prompt, seed) for seed, prompt in enumerate(prompts, start=1)]


def _scramble() -> None:
    torch.seed()
    np.random.seed(None)
    random.seed()
