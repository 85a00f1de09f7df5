"""What decides a result: canonical digests, and the roles of configuration fields."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, JsonValue

Role = Literal["identity", "runtime", "presentation"]


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


def presentation_field(default: Any = ..., doc: str | None = None, **constraints: Any) -> Any:
    """A field of a suite or a table that says how results are shown, never what is measured: no part of an identity."""
    return Field(default, description=doc, json_schema_extra={"role": "presentation"}, **constraints)


def measured_part(content: Any) -> Any:
    """`content` (models, tuples and dicts of them) as JSON-able content without its presentation fields."""
    if isinstance(content, BaseModel):
        return {
            name: measured_part(getattr(content, name))
            for name, field in type(content).model_fields.items()
            if not (isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("role") == "presentation")
        }
    if isinstance(content, dict):
        return {str(key): measured_part(value) for key, value in content.items()}
    return [measured_part(each) for each in content] if isinstance(content, list | tuple) else content


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
