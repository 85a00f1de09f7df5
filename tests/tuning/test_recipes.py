"""Recipe files say what the shipped trials chose, and every tuned method of a kind had equally many."""

from __future__ import annotations

from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest
import yaml

from erasebench.api.concepts import Kind
from erasebench.api.method import METHODS, load_method
from erasebench.api.recipe import recipes_of
from erasebench.api.world import load_world
from erasebench.results.trials import SPLIT, Trial, shipped_trials
from erasebench.suite.selection import select
from erasebench.suite.suite import load_suite
from erasebench.tuning.score import best
from erasebench.tuning.trials import read_settings, settings_text

CHOSEN = [trial for trial in shipped_trials() if trial.chosen == "yes"]


@pytest.mark.parametrize("trial", CHOSEN, ids=lambda trial: f"{trial.method}-{trial.kind}-{trial.scale}")
def test_the_recipe_is_what_was_chosen(trial: Trial) -> None:
    recipe = load_method(trial.method).recipe(world="miniature", kind=trial.kind, n_concepts=trial.scale)
    for pair in trial.settings.split():
        field, _, text = pair.partition("=")
        value = yaml.safe_load(text)
        expected = float(text) if isinstance(value, str) and "e" in text and text[0].isdigit() else value
        assert getattr(recipe, field) == (pytest.approx(expected) if isinstance(expected, float) else expected)


def test_a_recipe_file_tells_of_every_trial_and_of_no_other() -> None:
    counted = Counter((trial.method, trial.kind) for trial in shipped_trials())
    said = {
        (name, kind): found.trials(kind)
        for name in METHODS.names()
        if (found := recipes_of(load_method(name), name, "miniature")) is not None
        for kind in found.kinds
    }
    assert said == dict(counted)


def test_a_kinds_chosen_row_names_every_field_that_peoples_does() -> None:
    """A trial starts from the recipe, which may be people's: what it ran with has to be said."""
    fields = {(t.method, t.kind): {pair.partition("=")[0] for pair in t.settings.split()} for t in CHOSEN}
    for (method, kind), own in fields.items():
        assert fields[method, "person"] <= own, (method, kind)


def test_a_trial_tells_of_as_many_names_to_keep_as_the_suites_do() -> None:
    there, here = load_world("miniature"), load_world(SPLIT)
    suites: tuple[tuple[str, Kind], ...] = (("celebrity", "person"), ("style", "style"))
    for suite, kind in suites:
        given = select(load_suite(suite), there, 10).task(kind, ()).keep
        trial = select(load_suite(str(files("erasebench.tuning") / f"{kind}.yaml")), here, 10)
        assert len(trial.task(kind, ()).keep) == len(given) == 50
        assert set(trial.extra_retain) <= set(given)
        assert not {*trial.erased, *trial.seen, *trial.heldout} & set(there.concept_lists.names(kind, "retain"))


def test_every_tuned_method_of_a_kind_had_the_same_budget() -> None:
    budgets: dict[str, set[int]] = {}
    for (_, kind), count in Counter((trial.method, trial.kind) for trial in shipped_trials()).items():
        budgets.setdefault(kind, set()).add(count)
    assert budgets and all(len(counts) == 1 for counts in budgets.values())


def test_the_rule_chose_what_is_chosen() -> None:
    for group in _groups().values():
        at = best(group[0].kind, [trial.score for trial in group], [_metrics(trial.metrics) for trial in group])
        assert [trial.chosen == "yes" for trial in group] == [place == at for place in range(len(group))]


def _metrics(text: str) -> dict[str, float | None]:
    pairs = (pair.partition("=") for pair in text.split())
    return {name: None if value == "unscored" else float(value) for name, _, value in pairs}


def test_the_table_holds_the_trials_of_the_file() -> None:
    asked = read_settings(Path(str(files("erasebench.methods"))) / "trials.yaml")
    assert {(method, kind) for kind, method in asked} == set(_groups())
    for (method, kind), trials in _groups().items():
        assert [trial.settings for trial in trials] == [settings_text(settings) for settings in asked[kind, method]]  # type: ignore[index]


def _groups() -> dict[tuple[str, str], list[Trial]]:
    groups: dict[tuple[str, str], list[Trial]] = {}
    for trial in shipped_trials():
        groups.setdefault((trial.method, trial.kind), []).append(trial)
    return groups
