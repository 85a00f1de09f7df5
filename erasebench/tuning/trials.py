"""The settings to try, read from a YAML file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args

from erasebench.concepts import Kind
from erasebench.errors import UserError, did_you_mean
from erasebench.yaml_file import number_or_same, read_yaml

Settings = Mapping[str, Any]


def read_settings(path: Path) -> dict[tuple[Kind, str], list[Settings]]:
    """By kind and method, the settings of each trial, in order.

    The file: `kind: {method: [{field: value}, ...]}`. UserError for a missing file, broken YAML, an unknown kind or
    anything but a list of settings.
    """
    content = read_yaml(path, named=f"The trials {path}", unreadable="Give a YAML file.")
    found: dict[tuple[Kind, str], list[Settings]] = {}
    for kind, methods in _mapping(content, f"{path}"):
        if kind not in get_args(Kind):
            raise UserError(f"{path}: there is no kind '{kind}'.", did_you_mean(kind, get_args(Kind)))
        for method, trials in _mapping(methods, f"{path}: {kind}"):
            if not isinstance(trials, list) or not all(isinstance(trial, dict) for trial in trials):
                raise UserError(
                    f"{path}: {kind}: {method} is no list of settings.", "Write - {learning_rate: 1.0e-3, steps: 60}."
                )
            found[kind, method] = [{field: number_or_same(value) for field, value in trial.items()} for trial in trials]  # type: ignore[index]
    return found


def settings_text(settings: Settings) -> str:
    """'learning_rate=0.001 steps=60', or 'recipe' where nothing is changed."""
    return " ".join(f"{field}={value}" for field, value in settings.items()) or "recipe"


def _mapping(content: Any, where: str) -> Iterable[tuple[str, Any]]:
    if not isinstance(content, dict):
        raise UserError(f"{where} is no mapping.", "Write kind: {method: [{field: value}]}.")
    return content.items()
