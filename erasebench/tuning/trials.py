"""The settings to try, read from a YAML file."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, get_args

from erasebench.api.concepts import Kind
from erasebench.errors import UserError, did_you_mean, nearest
from erasebench.files.yaml_file import YamlFile, read_yaml

Settings = Mapping[str, Any]


def read_settings(path: Path) -> dict[tuple[Kind, str], list[Settings]]:
    """By kind and method, the settings of each trial, in order.

    The file: `kind: {method: [{field: value}, ...]}`. UserError, by file, line and field, for a missing file, broken
    YAML, an unknown kind, anything but a list of settings, an empty list, or a trial that is there twice.
    """
    file = read_yaml(path, named=f"The trials {path}", unreadable="Give a YAML file.")
    found: dict[tuple[Kind, str], list[Settings]] = {}
    for kind, methods in _mapping(file, file.content):
        if kind not in get_args(Kind):
            raise file.wrong([kind], f"there is no kind '{kind}'", did_you_mean(str(kind), get_args(Kind)))
        for method, trials in _mapping(file, methods, kind):
            place = [kind, str(method)]
            if not isinstance(trials, list) or not trials or not all(isinstance(trial, dict) for trial in trials):
                problem = f"{method} has no trials" if trials in (None, []) else f"{method} is not a list of settings"
                raise file.wrong(place, problem, "Write - {learning_rate: 1.0e-3, steps: 60}.")
            for at, trial in enumerate(trials):
                if trial in trials[:at]:
                    problem = f"the same settings as those of trial {trials.index(trial) + 1}"
                    raise file.wrong([*place, at], problem, "Give each settings once.")
                if wrong := [field for field, value in trial.items() if value is None or not isinstance(field, str)]:
                    raise file.wrong([*place, at, str(wrong[0])], "the setting has no value", "Give one.")
            found[kind, str(method)] = trials  # type: ignore[index]
    return found


def chosen_of(
    path: Path, asked: Mapping[tuple[Kind, str], list[Settings]], methods: Collection[str], kinds: Collection[str]
) -> dict[tuple[Kind, str], list[Settings]]:
    """The trials of these methods and kinds (none given: all). UserError, with what the file has, where it has none."""
    of_kind: dict[str, list[str]] = {}
    for kind, method in asked:
        of_kind.setdefault(kind, []).append(method)
    has = "It has " + "; ".join(f"{kind}: {', '.join(names)}" for kind, names in of_kind.items()) + "."
    for words, known in ((methods, {method for _, method in asked}), (kinds, set(of_kind))):
        for word in words:
            if word not in known:
                near = nearest(word, known)
                raise UserError(f"{path} has no trials of '{word}'.", f"Did you mean '{near}'? {has}" if near else has)
    for method in methods:
        if not any(method == name and (not kinds or kind in kinds) for kind, name in asked):
            raise UserError(f"{path} has no trials of '{method}' of the kind {' or '.join(kinds)}.", has)
    return {
        (kind, method): settings
        for (kind, method), settings in asked.items()
        if (not kinds or kind in kinds) and (not methods or method in methods)
    }


def settings_text(settings: Settings) -> str:
    """'learning_rate=0.001 steps=60', or 'recipe' where nothing is changed."""
    return " ".join(f"{field}={value}" for field, value in settings.items()) or "recipe"


def _mapping(file: YamlFile, content: Any, *place: str) -> Iterable[tuple[str, Any]]:
    if not isinstance(content, dict) or not content:
        problem = "it is empty" if content in (None, {}) else "it is not a mapping"
        raise file.wrong(place, problem, "Write kind: {method: [{field: value}]}.")
    return content.items()
