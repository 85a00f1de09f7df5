"""The miniature's recipes: what did best on the validation split, as the shipped table has it."""

from __future__ import annotations

from typing import Any

from erasebench.api.concepts import Kind
from erasebench.files.yaml_file import yaml_value
from erasebench.results.trials import shipped_trials


def chosen_settings(method: str, kind: Kind) -> dict[str, Any]:
    """The settings of the chosen trial (methods/tuning.csv), by field; none where nothing was tried or came of it.

    A kind that nothing was tried on takes over what was chosen on people.
    """
    kinds: tuple[Kind, ...] = (kind, "person")
    chosen = [trial for trial in shipped_trials() if (trial.method, trial.chosen) == (method, "yes")]
    rows = [trial for each in kinds for trial in chosen if trial.kind == each]
    if not rows or rows[0].settings == "recipe":
        return {}
    pairs = (pair.partition("=") for pair in rows[0].settings.split())
    return {field: yaml_value(text) for field, _, text in pairs}
