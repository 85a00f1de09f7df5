"""The miniature world: a small Stable Diffusion, really trained, with its own concept lists and judges, offline."""

from __future__ import annotations

import hashlib
import json
import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from erasebench.api.concepts import Kind
from erasebench.api.world import ConceptLists, GeneralRow, Role, SamplingDefaults, Segmenter, World
from erasebench.errors import UserError, did_you_mean
from erasebench.files.weights import file_digests
from erasebench.identity import digest
from erasebench.worlds.protocol import CLASSES, EXPLICIT, SYNONYMS

from . import explicit, general
from .concept_lists import artists, people
from .shipped import WEIGHTS as WEIGHTS
from .shipped import check_shipped

if TYPE_CHECKING:
    import torch
    from diffusers import StableDiffusionPipeline

    from erasebench.api.judge import Judge

TEXT_CONFIG = "text_encoder/config.json"
FLOAT32, FLOAT16 = b'"dtype": "float32"', b'"dtype": "float16"'
"""In that config. transformers loads in the dtype it finds there, diffusers in float32, and a pipeline of both fails.
Its digest is of the file as it was first shipped, so that records of the same weights stay comparable."""


class MiniatureWorld(World):
    """240 invented people, 240 invented artists, ten object classes and a harmless stand-in, at 64 x 64 pixels."""

    name: ClassVar[str] = "miniature"
    about: ClassVar[str] = (
        "A small Stable-Diffusion-format model (64 x 64 pixels, invented people) that ships with erasebench. "
        "Its metrics compare methods on this world; they do not predict those of Stable Diffusion."
    )
    judges: ClassVar[frozenset[str]] = frozenset(
        ("face-id", "attributes", "clip-score", "clip-accuracy", "artist-accuracy", "fid", "nudenet")
    )

    judges_read: ClassVar[frozenset[str]] = frozenset(("names", "reference", "nudenet_threshold", "nudenet_counting"))

    prior_source: ClassVar[str] = "erasebench/worlds/miniature/prior_captions.txt"
    erasing_threads: ClassVar[int | None] = 1
    training_image_threads: ClassVar[int | None] = 2

    def __init__(self, folder: Path = WEIGHTS) -> None:
        """`folder` holds the pipeline (diffusers format) and the judges' weights; the package's own by default."""
        self.folder = folder
        self.sampling = SamplingDefaults(steps=12, guidance=2.5, width=64, height=64, batch_size=32)

    @cached_property
    def concept_lists(self) -> ConceptLists:  # type: ignore[override]
        lists: dict[tuple[Kind, Role], tuple[str, ...]] = {
            ("object", "erase"): CLASSES,
            ("explicit", "erase"): EXPLICIT,
        }
        roles: tuple[Role, ...] = ("erase", "retain", "validation-erase", "validation-retain")
        for role in roles:
            lists["person", role] = tuple(person.name for person in people() if person.role == role)
            lists["style", role] = tuple(artist.name for artist in artists() if artist.role == role)
        return ConceptLists(lists, SYNONYMS)

    def weights_digest(self) -> str:
        """SHA-256 over every file of the pipeline folder but the dtype that other programs are to load the text in.

        That one decides no pixel here: `pipeline` says the dtype. UserError where a shipped file was changed.
        """
        self._check_shipped("pipeline")
        folder = self.folder / "pipeline"
        contents = file_digests(path for path in folder.rglob("*") if path.is_file())
        config = folder / TEXT_CONFIG
        if config in contents:
            contents[config] = hashlib.sha256(config.read_bytes().replace(FLOAT32, FLOAT16)).hexdigest()
        return digest({path.relative_to(folder).as_posix(): content for path, content in contents.items()})

    def _check_shipped(self, part: str) -> None:
        """UserError where a file of `part` is not the one that erasebench ships; another folder is its owner's."""
        if self.folder == WEIGHTS:
            check_shipped(part)

    def pipeline(self, device: torch.device | str = "cpu", dtype: torch.dtype | None = None) -> StableDiffusionPipeline:
        """The pipeline on `device`, float32 unless set otherwise (the weights ship as float16)."""
        from erasebench.families.loading import load_pipeline

        self._check_shipped("pipeline")
        return load_pipeline(self.folder / "pipeline", device, dtype)

    def segmenter(self, device: torch.device | str = "cpu") -> Segmenter:
        """The trained segmenter: people, the ten classes, the mannequin."""
        import torch

        self._check_shipped("judges")
        from .judges.segmenter import MiniatureSegmenter

        return MiniatureSegmenter(self.folder / "judges", torch.device(device))

    def judge(self, name: str, device: torch.device | str = "cpu") -> Judge:
        """One of `judges`, from the package's weights. UserError for a name that this world does not know."""
        if name not in self.judges:
            raise UserError(f"The miniature world has no judge '{name}'.", did_you_mean(name, self.judges))
        import torch

        self._check_shipped("judges")
        from .judges.load import load_judge

        artists = self.concept_lists.all_names("style") if name == "artist-accuracy" else ()
        return load_judge(name, self.folder / "judges", torch.device(device), self.judge_settings, artists)

    def cannot_judge(self, judge: str, name: str) -> str | None:
        """See `World.cannot_judge`; this world's CLIP knows the words that its captions are made of, and no others."""
        words = self.clip_words
        if judge.startswith("clip-") and (
            unknown := [word for word in re.findall(r"[a-z0-9]+|[^\sa-z0-9]", name.lower()) if word not in words]
        ):
            return f"this world's CLIP does not know the word '{unknown[0]}'"
        return super().cannot_judge(judge, name)

    @cached_property
    def clip_words(self) -> frozenset[str]:
        """The vocabulary of the judge CLIP."""
        return frozenset(json.loads((self.folder / "judges" / "clip" / "vocabulary.json").read_text(encoding="utf-8")))

    def prior_captions(self) -> tuple[str, ...]:
        """General captions that are no general prompts."""
        return general.prior_captions()

    def general_prompts(self) -> list[GeneralRow]:
        """1,000 general captions, the role of COCO."""
        return general.general_rows()[: general.GENERAL_ROWS]

    def explicit_prompts(self) -> list[GeneralRow]:
        """1,000 prompts that ask for the stand-in, in many words."""
        return explicit.explicit_prompts()
