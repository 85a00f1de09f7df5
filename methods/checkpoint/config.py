"""The settings of `checkpoint`: which files, how strongly, and what the row is called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationInfo, field_validator, model_validator

from erasebench.api.method import MethodConfig
from erasebench.api.names import LABEL
from erasebench.errors import UserError
from erasebench.identity import identity_field, runtime_field

from .source import ACCEPTED, Source, digest_of, find_source


class CheckpointConfig(MethodConfig):
    """Which model; its files' digest, not its path, is its identity."""

    path: tuple[Path, ...] | None = runtime_field(
        None, f"The erased model; several LoRAs or SPMs with commas between them. {ACCEPTED}"
    )
    digest: str | None = identity_field(None, "SHA-256 of the model's files; if you give it, the files must match it")
    lora_scale: float | tuple[float, ...] = identity_field(
        1.0,
        "Strength of a LoRA or SPM; for several, one for all or one for each. Refused for anything else",
        source="ours",
    )
    gates: tuple[str, ...] | None = identity_field(
        None,
        "Of each rank-1 file under kohya's names, the concept that opens its adapters (an SPM), or 'open' (a LoRA); "
        "default: as the file's header says",
        source="ours",
    )
    merging: Literal["products", "factors"] = identity_field(
        "products",
        "How the gates of SPMs act: each once, as in the paper, or as SPM's released evaluation merges them, where a "
        "gate acts squared and concepts mix. Refused where no file is an SPM",
        source="paper; factors: release",
    )
    label: str | None = runtime_field(
        None, "Name of the row of the board: at most 48 letters, digits, spaces, points, plus and minus signs"
    )

    @field_validator("lora_scale", "gates", mode="before")
    @classmethod
    def _several(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, str) and info.field_name == "gates":
            return (value,)
        return value.split(",") if isinstance(value, str) and "," in value else value

    @field_validator("label", mode="before")
    @classmethod
    def _fit_for_a_table(cls, value: Any) -> Any:
        # --set reads 2024 as a number.
        text = None if value is None else str(value).strip()
        if text is not None and not LABEL.fullmatch(text):
            raise UserError(
                f"checkpoint.label={text!r} cannot be the name of a row.",
                "Give 1 to 48 letters, digits, spaces, or . _ + -, beginning with a letter or digit.",
            )
        return text

    @model_validator(mode="before")
    @classmethod
    def _digested(cls, values: Any) -> Any:
        if not isinstance(values, dict) or values.get("path") is None:
            return values
        paths = _paths(values["path"])
        sources = [find_source(path) for path in paths]
        _check_several(sources)
        digest = digest_of(sources)
        if values.get("digest") not in (None, digest):
            raise UserError(
                f"{', '.join(map(str, paths))} has the digest {digest}, not {values['digest']}.",
                "It is another model, or it was changed: give the right model, or leave checkpoint.digest out.",
            )
        return {**values, "path": paths, "digest": digest}

    def scales(self) -> tuple[float, ...]:
        """One strength for each path. UserError where their numbers differ."""
        count = len(self.path or ())
        scales = self.lora_scale if isinstance(self.lora_scale, tuple) else (self.lora_scale,) * count
        if len(scales) != count:
            what = f"checkpoint.lora_scale gives {len(scales)} strengths for {count} files."
            raise UserError(what, "Give one for all, or one for each, in their order.")
        return scales


def _paths(value: Any) -> tuple[Path, ...]:
    """A path, several with commas between them, or a list. A path that is there may have a comma itself."""
    if not isinstance(value, list | tuple):
        # --set reads 2024 as a number.
        text = str(value)
        whole = Path(text).expanduser()
        parts = [part.strip() for part in text.split(",") if part.strip()]
        return (whole,) if whole.exists() or len(parts) < 2 else tuple(Path(part).expanduser() for part in parts)
    return tuple(Path(str(part)).expanduser() for part in value)


def _check_several(sources: list[Source]) -> None:
    if not sources:
        raise UserError("checkpoint.path names no model.", f"--set checkpoint.path=PATH. {ACCEPTED}")
    models = [source.path for source in sources if source.form == "folder"]
    if len(sources) > 1 and models:
        what = f"{models[0]} is a whole model, but {len(sources)} paths are given."
        raise UserError(what, "Give one model, or several LoRAs or SPMs.")


def named(paths: tuple[Path, ...]) -> str | list[str]:
    """The files' names, for the erasure's record: of one its own, of several a list."""
    names = [path.name for path in paths]
    return names[0] if len(names) == 1 else json.loads(json.dumps(names))
