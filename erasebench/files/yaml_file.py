"""YAML that a user writes, read strictly and within bounds, with every mistake named by file, line and field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from erasebench.errors import UserError, did_you_mean
from erasebench.files.fields import fields_at
from erasebench.files.yaml_loader import MAX_BYTES, StrictLoader

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class YamlFile:
    """What a YAML file holds, and where in the file each part of it stands."""

    path: Path
    content: Any
    node: yaml.Node | None

    def as_model(self, model: type[M], hint: str) -> M:
        """The content as a `model`. UserError for the first field that is missing, unknown or wrong."""
        try:
            return model.model_validate(self.content)
        except ValidationError as error:
            # A misspelt field is an unknown one and a missing one; the unknown one says what to change.
            errors = error.errors(include_url=False)
            first = next((each for each in errors if each["type"] == "extra_forbidden"), errors[0])
            message = _message(first)
            # pydantic marks an error of a mapping's key by a place of its own.
            where = [part for part in first["loc"] if part != "[key]"]
            if first["type"] == "extra_forbidden" and (known := fields_at(model, where[:-1])):
                hint = f"{did_you_mean(str(where[-1]), known)} {hint}"
            raise self.wrong(where, message, hint) from error

    def wrong(self, field: Sequence[str | int], problem: str, hint: str) -> UserError:
        """The error for one field, named by its keys and places from the top of the file."""
        where = ".".join(map(str, field)) or "the file"
        return UserError(f"{self.path}, line {self.line(field)}, {where}: {problem}.", hint)

    def line(self, field: Sequence[str | int]) -> int:
        """The line on which a field stands; that of the nearest part around it where the file has no such field."""
        node = self.node
        line = 1 if node is None else node.start_mark.line + 1
        for key in field:
            found = _below(node, key)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        return line


def read_yaml(path: Path, *, named: str, unreadable: str) -> YamlFile:
    """The file's content. UserError for a file, `named` so, that cannot be read (`unreadable` says what to do then), or
    that is not YAML as erasebench reads it (erasebench.files.yaml_loader)."""
    try:
        size = path.stat().st_size
        text = path.read_text(encoding="utf-8-sig") if size <= MAX_BYTES else ""
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{named} cannot be read ({error}).", unreadable) from error
    if size > MAX_BYTES:
        raise UserError(f"{path} is too large: {size:,} bytes of at most {MAX_BYTES:,}.", "Split the file.")
    try:
        return YamlFile(path, *_parsed(text))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = f"{path}, line {1 if mark is None else mark.line + 1}: the file is not valid YAML: {_said(error)}."
        raise UserError(what, "Correct the file at that place.") from error
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not valid YAML: {_said(error)}.", "Correct the file at that place.") from error


def yaml_value(text: str) -> Any:
    """One value as the command line has it: 'true' -> True, '1e-4' -> 0.0001, '[1, 2]' -> [1, 2], '1:30' -> '1:30'.

    ValueError for what is not YAML, says why.
    """
    # A command line has no comments: 'ESD #2' is a name. What is quoted or bracketed says itself where it ends.
    if " #" in text and not text.lstrip().startswith(("'", '"', "[", "{")):
        return text
    if len(text) > MAX_BYTES:
        raise ValueError(f"it is longer than {MAX_BYTES:,} characters")
    try:
        return _parsed(text)[0]
    except yaml.YAMLError as error:
        raise ValueError(_said(error)) from error


def _message(error: Any) -> str:
    """What pydantic says of a field, with the value where that helps."""
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    if error["type"] == "too_short" and not error["input"]:
        return "the list is empty"
    value = error["input"]
    shown = (
        error["type"] not in ("missing", "extra_forbidden")
        and isinstance(value, str | int | float | None)
        and len(repr(value)) < 60
    )
    return f"{error['msg']}, not {value!r}" if shown else str(error["msg"])


def _parsed(text: str) -> tuple[Any, yaml.Node | None]:
    loader = StrictLoader(text)
    try:
        node = loader.get_single_node()
        return (None if node is None else loader.construct_document(node)), node
    finally:
        loader.dispose()


def _said(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError):
        return ", ".join(part for part in (error.context, error.problem) if part)
    return " ".join(str(error).split())


def _below(node: yaml.Node | None, key: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    """The node that a key or place leads to, behind the one that says where it stands."""
    if isinstance(node, yaml.MappingNode):
        return next(((own, value) for own, value in node.value if own.value == str(key)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        return node.value[key], node.value[key]
    return None
