"""Which fields a part of a pydantic model has, so that a wrong name can be answered with the nearest right one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from pydantic import BaseModel


def fields_at(model: type[BaseModel], place: Sequence[str | int]) -> tuple[str, ...]:
    """The fields of the model that a place in another one holds; none where it holds something else."""
    held: list[Any] = [model]
    for part in place:
        if isinstance(part, int):  # a list's item: the type that the list is of is among `held` already
            continue
        models = [each for each in held if isinstance(each, type) and issubclass(each, BaseModel)]
        fields = [each.model_fields[part].annotation for each in models if part in each.model_fields]
        held = _types_in(fields) if fields else held  # else a mapping's key
    models = [each for each in held if isinstance(each, type) and issubclass(each, BaseModel)]
    return tuple(models[0].model_fields) if len(models) == 1 else ()


def _types_in(annotations: Sequence[Any]) -> list[Any]:
    """The plain types that annotations are made of: of `tuple[A, ...] | None`, A and NoneType."""
    parts = [part for annotation in annotations for part in get_args(annotation)]
    return [*(each for each in annotations if not get_args(each)), *(_types_in(parts) if parts else [])]
