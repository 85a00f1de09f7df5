"""YAML files that a user writes, read with every mistake named by its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from erasebench.errors import UserError

M = TypeVar("M", bound=BaseModel)


def read_yaml(path: Path, *, named: str, unreadable: str) -> Any:
    """The file's content. UserError for a file, `named` so, that cannot be read (mended as `unreadable` says), or that
    is no YAML."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{named} cannot be read ({error}).", unreadable) from error
    except yaml.YAMLError as error:
        where = " ".join(str(error).split())
        raise UserError(f"{path} is no YAML: {where}.", "Mend the file at that place.") from error


def as_model(content: Any, model: type[M], path: Path, mend: str) -> M:
    """`content` of `path` as a `model`. UserError for the first field that is missing, unknown or wrong."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        message = first["msg"].removeprefix("Value error, ")
        raise UserError(f"{path}: {where}: {message}.", mend) from error


def number_or_same(value: Any) -> Any:
    """A scalar as it was meant: YAML 1.1 reads 1e-4 as a word."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value
