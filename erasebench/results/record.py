"""The leaderboard's record: one JSON file per run, which says what was measured and everything that decided it."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    JsonValue,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from erasebench.api.concepts import Kind
from erasebench.api.names import LABEL, LONGEST_NAME, NAME
from erasebench.api.value import LARGEST, Edit, MetricValue, Pairing
from erasebench.diffusion.profile import NumericsProfile
from erasebench.errors import UserError
from erasebench.files.atomic import write_json
from erasebench.metrics.columns import MetricTable
from erasebench.results.record_file import read_object, unreadable
from erasebench.results.schema_1 import from_schema_1

SCHEMA_VERSION = 2
READ = (1, SCHEMA_VERSION)
"""Schema versions that are read; a record is written in the last."""
UNEDITED = "original"
"""The name under which the world's own, unedited model is run and recorded."""
AVERAGE = "average"
"""The scale of a record that averages runs which each erased one name; published averages carry it too."""
ATTACKED = "attacked:"
"""How the digests of the prompts that attacks wrote begin; each method is attacked with prompts of its own."""

Name = Annotated[str, Field(pattern=NAME, max_length=LONGEST_NAME)]
Concept = Annotated[str, Field(max_length=1_000)]
"""Any words; whoever shows them makes them fit for the page."""
Key = Annotated[str, Field(pattern="^[A-Za-z0-9_]+$", max_length=80)]

_LONGEST_PART = 40


@lru_cache(maxsize=4096)
def _in_file_names(part: str) -> str:
    """A part of a record's id, cut so that the name stays one that every file system takes."""
    return re.sub(r"[^a-z0-9.]+", "-", part.lower()).strip("-.")[:_LONGEST_PART]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Stage(_Part):
    """What one stage of the run cost: wall-clock seconds, and the peak of the memory that the device profile counts."""

    seconds: FiniteFloat = Field(ge=0)
    peak_memory_bytes: int | None = Field(default=None, ge=0, le=LARGEST)


class Tuning(_Part):
    """How many trials were made, on which split, before the method's settings for this kind were chosen; 0: untuned."""

    split: str
    trials: int = Field(ge=0)
    kind: Kind


class Manifest(_Part):
    """What decided the metrics, and what they cost. `profile` holds device type, dtype, batch size and TF32.

    `threads` and `cpu` (torch's instruction set) may change last digits, and so a few pixels by one level; on the CPU
    a method has worked with as many threads as its world says, if it says.
    """

    packages: dict[str, str]
    python: str
    platform: str
    config: dict[str, JsonValue]
    digests: dict[str, str] = Field(
        description="model, prompts, erasure, reference, one per judge, and of each attack the attack and its prompts: "
        "sha256, hex"
    )
    judges: dict[str, JsonValue] = Field(
        default_factory=dict,
        description="each judge's version, weights' digests and settings; empty in failed runs and older records",
    )
    condition_numbers: dict[str, FiniteFloat | None] = Field(
        default_factory=dict, description="of each closed-form solve of the erasure; None: infinite"
    )
    sampling: dict[str, JsonValue] = Field(default_factory=dict, description="steps, guidance, size, scheduler")
    prompts_cut: int | None = Field(
        default=None,
        ge=0,
        description="different prompts with more tokens than the text encoder reads: their ends were not seen; None of "
        "failed runs and in older records",
    )
    seeds: JsonValue
    device: str
    threads: int | None = Field(default=None, ge=1, description="of torch on the CPU; None in older records")
    cpu: str | None = None
    profile: NumericsProfile
    stages: dict[str, Stage]
    sampling_ratio: FiniteFloat | None = Field(
        default=None,
        gt=0,
        description="seconds of a batch with the edit over those without, measured; 1 of an edit of weights alone; "
        "None: unedited or not measured",
    )


class Repeat(_Part):
    """One of several erasings of a record: the method's seed, the run's identity, the edit's digest, its metrics."""

    seed: int = Field(ge=0)
    identity: str = Field(pattern="^[0-9a-f]{8,64}$")
    erasure: str = Field(pattern="^[0-9a-f]{8,64}$")
    metrics: dict[Key, MetricValue]


class Record(_Part):
    """One run of one method on one suite of one world. `id` names its file and its contact sheet."""

    schema_version: Literal[2] = 2
    identity: str = Field(
        pattern="^[0-9a-f]{8,64}$",
        description="digest of everything that decided the result, --limit included",
    )
    world: Name
    world_about: str = Field(
        default="",
        description="what this world is and is not, for the board's reading guide",
    )
    suite: Name
    table: MetricTable
    scale: Annotated[int, Field(ge=0, le=1_000_000)] | Concept
    size: Literal["small", "full"]
    method: Name
    method_version: str
    variant: Name = "default"
    label: str | None = Field(default=None, pattern=LABEL.pattern, description="what the user calls this row")
    concepts: tuple[Concept, ...]
    metrics: dict[Key, MetricValue]
    manifest: Manifest
    command: str = Field(description="the command line that makes this record again")
    status: Literal["done", "failed"]
    error: str | None = None
    partial: bool = Field(description="run under --limit: shown apart, never ranked")
    shipped: bool = Field(default=False, description="made elsewhere and shipped with erasebench, to be shown here")
    pairing: Pairing | None = Field(
        default=None, description="None where the primary metric cannot be compared in pairs"
    )
    edit: Edit | None = Field(default=None, description="None of a failed run, and in older records")
    tuning: Tuning | None = Field(default=None, description="None unless run with settings that are tuned on a split")
    intervals: Literal["bootstrap", "closed form"] = Field(
        default="bootstrap",
        description="the rule of the metrics' intervals: erasebench.metrics.statistics' today, or its former bootstrap",
    )
    repeats: tuple[Repeat, ...] = Field(
        default=(),
        max_length=1_000,
        description="the erasings under several seeds that `metrics` are the mean of; empty: one erasing",
    )
    stand_ins: tuple[Name, ...] = Field(
        default=(),
        max_length=100,
        description="parts of the run that are stand-ins (model, segmenter, prompts, judges): it is no result and no "
        "board shows it; not written where there are none",
    )

    @model_validator(mode="before")
    @classmethod
    def _in_todays_words(cls, data: Any) -> Any:
        return from_schema_1(data) if isinstance(data, dict) and data.get("schema_version") == 1 else data

    @model_serializer(mode="wrap")
    def _of_real_parts_as_before(self, written: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # A record of real weights is written as it was before there were stand-ins, and earlier versions read it.
        content: dict[str, Any] = written(self)
        if not self.stand_ins:
            content.pop("stand_ins", None)
        return content

    @model_validator(mode="after")
    def _failure_is_named(self) -> Self:
        if (self.status == "failed") != bool(self.error):
            raise ValueError("a failed run names its error, and only a failed run does")
        return self

    @model_validator(mode="after")
    def _spread_is_over_erasings(self) -> Self:
        spread = [name for name, metric in self.metrics.items() if metric.spread is not None]
        if spread and len(self.repeats) < 2:
            raise ValueError(f"the spread of {spread[0]} over seeds needs two erasings, and there is one")
        return self

    @property
    def id(self) -> str:
        """A readable name and 8 hex digits of the identity; the same for every rerun of the same job."""
        parts = [self.world, self.suite, str(self.scale), self.method]
        parts += [self.variant] * (self.variant != "default") + ["partial"] * self.partial
        return f"{'-'.join(map(_in_file_names, parts))}-{self.identity[:8]}"

    @property
    def same_under_every_seed(self) -> bool:
        """Several erasings gave the same edit, so that training has no luck here."""
        return len(self.repeats) > 1 and len({repeat.erasure for repeat in self.repeats}) == 1

    @property
    def peak_memory_bytes(self) -> int | None:
        """The largest peak of any stage; None where no stage measured it."""
        peaks = [s.peak_memory_bytes for s in self.manifest.stages.values() if s.peak_memory_bytes is not None]
        return max(peaks, default=None)

    def write(self, folder: Path) -> Path:
        """Write the record atomically as `folder`/`id`.json and return that path."""
        path = folder / f"{self.id}.json"
        write_json(path, self.model_dump(mode="json"))
        return path

    @classmethod
    def read(cls, path: Path) -> Record:
        """The record in `path`. UserError where it cannot be read, is not valid JSON or no record of these schemas."""
        data = read_object(path)
        if "schema_version" not in data:
            raise unreadable(path, "is not an erasebench record: it has no schema_version")
        if (version := data["schema_version"]) not in READ:
            raise UserError(
                f"{path} has schema version {ascii(version)[:40]}; this erasebench reads {READ[0]} and {READ[1]}.",
                "Rebuild the board with the erasebench version that wrote it, or run the job again with this version.",
            )
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the record"
            raise unreadable(path, f"is not a valid record: {where}: {first['msg']}") from error
