"""Which fields a part of a pydantic model has, so that a wrong name can be answered with the nearest right one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, get_args

from pydantic import BaseModel, RootModel


def fields_at(model: type[BaseModel], place: Sequence[str | int]) -> tuple[str, ...]:
    """The fields of the model that stands at a place within another one; none where something else stands there."""
    held = _models_in([model])
    for part in place:
        fields = [each.model_fields[part].annotation for each in held if part in each.model_fields]
        # Else a list's place or a mapping's key: what these hold is in `held` already.
        held = _models_in(fields) if fields else held
    return tuple(held[0].model_fields) if len(held) == 1 else ()


def _models_in(annotations: Iterable[Any]) -> list[type[BaseModel]]:
    """The models that annotations name: of `dict[str, tuple[A, ...]] | None`, A."""
    found: list[type[BaseModel]] = []
    for annotation in annotations:
        if isinstance(annotation, type) and issubclass(annotation, RootModel):
            found += _models_in([annotation.model_fields["root"].annotation])
        elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
            found.append(annotation)
        else:
            found += _models_in(get_args(annotation))
    return found
