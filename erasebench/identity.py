"""What decides a result: canonical digests, the roles of configuration fields, the numerics profile."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from erasebench.errors import UserError

Role = Literal["identity", "runtime"]
FILE_MODULE = "erasebench_file_"
"""How the module of a file given by path begins; 8 hex digits of the path and the file's name follow."""


def digest(content: Any) -> str:
    """SHA-256 (64 hex digits) of `content` as canonical JSON: sorted keys, no blanks, no NaN.

    Models are dumped first. Equal content gives equal digests on every machine and Python version.
    """

    def plain(value: Any) -> Any:
        if isinstance(value, BaseModel):
            return value.model_dump(mode="json")
        raise TypeError(f"{type(value).__name__} has no canonical form: {value!r}")

    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False, default=plain)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def source_digest(modules: Iterable[str | ModuleType]) -> str:
    """SHA-256 over the source of the given modules; a package counts with every .py file below it.

    Modules given by name are found, not imported, so no heavy library is loaded. A file given by path counts by its
    name and content, wherever it lies. UserError for a module that does not exist.
    """
    parts: dict[str, str] = {}
    for module in modules:
        name = module if isinstance(module, str) else module.__name__
        spec = importlib.util.find_spec(name)
        if spec is None or (spec.origin is None and not spec.submodule_search_locations):
            raise UserError(f"The module {name} was not found.", "Install the package that brings it.")
        if spec.submodule_search_locations:
            for folder in spec.submodule_search_locations:
                parts |= folder_sources(Path(folder), name)
        elif spec.origin is not None:
            parts[re.sub(f"^({FILE_MODULE})[0-9a-f]{{8}}_", r"\1", name)] = file_digest(Path(spec.origin))
    return digest(parts)


def folder_sources(folder: Path, name: str) -> dict[str, str]:
    """The digest of every .py file below `folder`, by '<name>/<relative path>'."""
    return {f"{name}/{path.relative_to(folder).as_posix()}": file_digest(path) for path in sorted(folder.rglob("*.py"))}


def _field(role: Role, default: Any, doc: str, source: str, unit: str, constraints: dict[str, Any]) -> Any:
    extra: dict[str, JsonValue] = {"role": role, "source": source, "unit": unit}
    return Field(default, description=doc, json_schema_extra=extra, **constraints)


def identity_field(default: Any, doc: str, *, source: str = "", unit: str = "", **constraints: Any) -> Any:
    """A configuration field that decides the result and is hashed into its identity.

    `source` is the paper and table (or 'ours') of the default; `constraints` go to pydantic's Field (ge=0, ...).
    """
    return _field("identity", default, doc, source, unit, constraints)


def runtime_field(default: Any, doc: str, *, source: str = "", unit: str = "", **constraints: Any) -> Any:
    """A configuration field that changes speed or memory but never the result; left out of the identity."""
    return _field("runtime", default, doc, source, unit, constraints)


def role_of(model: type[BaseModel], field: str) -> Role:
    """The declared role of a field. TypeError where none was declared: every field has to choose."""
    extra = model.model_fields[field].json_schema_extra
    role = extra.get("role") if isinstance(extra, dict) else None
    if role == "identity":
        return "identity"
    if role == "runtime":
        return "runtime"
    raise TypeError(f"{model.__name__}.{field} declares neither identity_field nor runtime_field")


def identity_of(config: BaseModel) -> dict[str, Any]:
    """The identity fields of a configuration and their values, JSON-able."""
    values = config.model_dump(mode="json")
    return {name: values[name] for name in type(config).model_fields if role_of(type(config), name) == "identity"}


class NumericsProfile(BaseModel):
    """What makes the same arithmetic give the same bits: part of every identity, never mixed within a record."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device_type: str = "cpu"
    dtype: str = "float32"
    batch_size: int = Field(gt=0)
    tf32: bool = False
