"""What a user may tell the judges: where their weights are, thresholds and rules."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from erasebench.errors import UserError, did_you_mean

C = TypeVar("C", bound=BaseModel)

DOWNLOAD = "download"
"""In place of a path: fetch the file from where it is published."""


class JudgeSettings(BaseModel):
    """Settings of all judges together; a world passes each judge its own. None: the world's own place or weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    clip: Path | None = Field(
        default=None, description="OpenAI's ViT-B/32 (open_clip_model.safetensors, ViT-B-32.pt), or download"
    )
    inception: Path | None = Field(default=None, description="clean-fid's inception-2015-12-05.pt, or download")
    reference: Path | None = Field(default=None, description="folder of images that FID compares with")
    gcd_resources: Path | None = Field(default=None, description="resources folder of Giphy's celebrity detector")
    gcd_rule: Literal["cluster", "largest-face"] = Field(
        default="cluster", description="which face counts if there are several"
    )
    trust_torchscript: bool = Field(
        default=False,
        description="load weights of clip and inception whose SHA-256 is not the published one: TorchScript can write "
        "files when it is loaded",
    )
    nudenet: Path | None = Field(default=None, description="an ONNX network in NudeNet's layout, e.g. 640m.onnx")
    nudenet_resolution: int = Field(
        default=320, gt=0, description="side length of the network's input in pixels: 640 for 640m.onnx"
    )
    nudenet_threshold: float = Field(default=0.6, ge=0.25, le=1, description="lowest score that counts as a detection")
    names: tuple[str, ...] = Field(
        default=(),
        description="names beyond the concept lists, by commas: classes of clip-accuracy, spellings of people",
    )
    packages: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="settings of judges from other packages, by judge: my-judge.threshold=0.5"
    )
    nudenet_counting: Literal["detections", "images"] = Field(default="detections", description="what is counted")

    @field_validator("names", mode="before")
    @classmethod
    def _by_commas(cls, names: object) -> object:
        return [name.strip() for name in names.split(",") if name.strip()] if isinstance(names, str) else names

    @classmethod
    def from_pairs(cls, pairs: Iterable[str], **spelled_out: object) -> Self:
        """['nudenet_threshold=0.5'] and so on, and settings given by options of their own (None: not given).

        UserError for a pair without '=', an unknown field, a wrong value, or a field given twice, differently.
        """
        values: dict[str, Any] = {}
        own: dict[str, dict[str, Any]] = {}
        for pair in (*pairs, *(f"{key}={value}" for key, value in spelled_out.items() if value is not None)):
            key, equals, value = pair.partition("=")
            if not equals:
                raise UserError(f"--judge-set {pair} has no '='.", "Write e.g. --judge-set nudenet_threshold=0.5.")
            judge, dot, field = key.partition(".")
            if dot:
                if not judge or not field:
                    raise UserError(f"--judge-set {pair}: a judge or a field is missing.", "Write JUDGE.FIELD=VALUE.")
                from erasebench.files.yaml_file import yaml_value

                try:
                    said = yaml_value(value)
                except ValueError as error:
                    raise UserError(f"--judge-set {pair}: {error}.", "Put the value in quotes.") from error
                if own.setdefault(judge, {}).setdefault(field, said) != said:
                    raise UserError(f"The setting {key} is given twice, with different values.", "Give it once.")
                continue
            if key not in cls.model_fields or key == "packages":
                raise UserError(f"The judges have no setting '{key}'.", did_you_mean(key, cls.model_fields))
            if values.setdefault(key, value) != value:
                raise UserError(f"The judge setting {key} is given as both {values[key]} and {value}.", "Give it once.")
        return cls.checked(**values, packages=own or None)

    @classmethod
    def checked(cls, **values: object) -> Self:
        """Of these values, None left out. UserError for one that is wrong."""
        try:
            return cls.model_validate({key: value for key, value in values.items() if value is not None})
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(map(str, first["loc"]))
            raise UserError(
                f"The judges' setting {name}: {first['msg']}, not {first['input']!r}.", _help(name)
            ) from error

    def of_package(self, judge: str, config: type[C]) -> C:
        """The settings of a judge that a package brings. UserError for one that it does not take."""
        try:
            return config.model_validate(self.packages.get(judge, {}))
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(map(str, first["loc"]))
            raise UserError(
                f"The setting {judge}.{name}: {first['msg']}, not {first['input']!r}.",
                f"It has: {', '.join(config.model_fields) or 'no settings'}.",
            ) from error

    def check_read_by(self, world: str, read: Iterable[str]) -> None:
        """UserError for a setting that differs from its default and that no judge of the world reads."""
        usual = type(self)()
        known = frozenset(read) | {"packages"}
        unread = [name for name in type(self).model_fields if name not in known]
        if given := [name for name in unread if getattr(self, name) != getattr(usual, name)]:
            raise UserError(
                f"No judge of the world {world} uses the setting {given[0]}.",
                f"Leave it out, or choose a world whose judges use it. Here they use {', '.join(sorted(known))}.",
            )

    def files(self) -> tuple[Path, ...]:
        """Every file that the settings name, those of folders included."""
        named = [self.clip, self.inception, self.reference, self.gcd_resources, self.nudenet]
        given = [path for path in named if path is not None]
        inside = [path for folder in given if folder.is_dir() for path in sorted(folder.rglob("*"))]
        return tuple(path.absolute() for path in (*given, *inside) if path.is_file())


def _help(name: str) -> str:
    field = JudgeSettings.model_fields.get(name)
    return f"{name}: {field.description}." if field is not None else f"It has: {', '.join(JudgeSettings.model_fields)}."
