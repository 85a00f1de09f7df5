"""What a run's record says of the size of its edit and of the tuning of its settings."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, ClassVar

import pytest

import erasebench
from erasebench.identity import digest
from erasebench.results.record import AVERAGE, Record, Tuning
from tests.toy_objects import ToyObjects
from tests.toy_world import ToyWorld

HERE = Path(__file__).parent
TOY, OBJECTS = f"{HERE / 'toy_world.py'}:", f"{HERE / 'toy_objects.py'}:"


class Tuned(ToyWorld):
    """Its recipes are the miniature's."""

    recipes: ClassVar[str | None] = "miniature"


class TunedObjects(ToyObjects):
    """Its recipes are the miniature's."""

    recipes: ClassVar[str | None] = "miniature"


@pytest.fixture(autouse=True)
def trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recipe file beside the toy method: two trials for people, one for objects."""
    file = tmp_path / "toy_world.recipe.yaml"
    kinds = "person: {trials: 2}, object: {trials: 1}"
    file.write_text(f"shift: {{miniature: {{split: miniature-validation, kinds: {{{kinds}}}}}}}")
    monkeypatch.setattr("erasebench.api.recipe.recipe_file", lambda method: file)


@pytest.fixture
def words(tmp_path: Path, tiny_model_folder: Path) -> dict[str, Any]:
    """The words of a run that every test starts from."""
    return {
        "method": TOY + "Shift",
        "suite": str(HERE / "data" / "toy.yaml"),
        "world": f"{__file__}:Tuned",
        "model": str(tiny_model_folder),
        "out": tmp_path / "leaderboard",
        "runs_folder": tmp_path / "runs",
        "baselines": "none",
        "limit": 1,
    }


def run(words: dict[str, Any], **changes: Any) -> Record:
    return erasebench.run(**words | changes).records[-1]


def test_the_edit_is_measured_and_the_unedited_model_has_none(words: dict[str, Any]) -> None:
    shift, original = run(words).edit, run(words, method="original").edit
    assert shift is not None and original is not None
    assert (shift.tensors, shift.values, shift.relative_change) == (1, 16 * 32, 19.0)
    assert 0 < shift.unet_share < 0.1
    assert (original.tensors, original.values, original.relative_change, original.bytes) == (0, 0, 0, 0)


def test_the_record_holds_what_each_judge_is_and_how_well_each_solve_was_posed(words: dict[str, Any]) -> None:
    manifest = run(words, method="uce").manifest
    assert set(manifest.judges) == {key.removeprefix("judge:") for key in manifest.digests if key.startswith("judge:")}
    assert all(digest(own) == manifest.digests[f"judge:{name}"] for name, own in manifest.judges.items())
    assert set(manifest.condition_numbers) == {"uce"} and manifest.condition_numbers["uce"] >= 1
    assert run(words, method="np").manifest.condition_numbers == {}


def test_an_edit_that_acts_while_sampling_says_so(words: dict[str, Any]) -> None:
    edit = run(words, method="np").edit
    assert edit is not None
    assert (edit.tensors, edit.sampling) == (0, "negative-prompt")


def test_a_resumed_run_says_the_same(words: dict[str, Any], tmp_path: Path) -> None:
    first = run(words)
    for finished in tmp_path.glob("runs/toy/toy-2/finished"):
        shutil.rmtree(finished)
    again = run(words)
    assert len(list(tmp_path.glob("runs/toy/toy-2/shift-*/scratch/begun-*"))) == 1
    assert again.edit == first.edit is not None
    assert again.id == first.id


def test_weights_that_are_no_numbers_are_recorded_too(words: dict[str, Any]) -> None:
    record = run(words, method=TOY + "Overflow")
    assert record.status == "done"
    assert record.edit is not None and record.edit.relative_change is None


def test_a_run_with_the_recipe_says_how_it_was_tuned(words: dict[str, Any]) -> None:
    assert run(words).tuning == Tuning(split="miniature-validation", trials=2, kind="person")
    assert run(words, method="np").tuning == Tuning(split="miniature-validation", trials=0, kind="person")


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "original"},
        {"settings": {"shift.amount": 2.0}},
        {"world": TOY + "ToyWorld"},
        {"method": "uce", "recipe": "older"},
    ],
    ids=["unedited", "settings", "world", "recipe"],
)
def test_settings_of_other_origin_say_nothing_of_tuning(words: dict[str, Any], changes: dict[str, Any]) -> None:
    assert run(words, **changes).tuning is None


def test_another_methods_settings_do_not_count(words: dict[str, Any]) -> None:
    methods = [TOY + "Shift", "np"]
    records = erasebench.run(**words | {"method": methods}, settings={"shift.amount": 2.0}).records
    assert [record.tuning is None for record in records] == [True, False]


def test_an_average_has_its_runs_mean_edit_and_their_tuning(words: dict[str, Any]) -> None:
    asked = {"suite": str(HERE / "data" / "toy-objects.yaml"), "method": OBJECTS + "ShiftAny"}
    records = erasebench.run(**words | asked | {"world": f"{__file__}:TunedObjects", "limit": 2}).records
    runs = [r for r in records if r.method != "original" and r.scale != AVERAGE]
    assert all(run.manifest.judges == records[-1].manifest.judges != {} for run in runs)
    average = next(record for record in records if record.scale == AVERAGE)
    runs = [record for record in records if record.scale != AVERAGE]
    assert average.edit == runs[0].edit is not None
    assert average.tuning == Tuning(split="miniature-validation", trials=1, kind="object")


def test_a_failed_run_has_neither(words: dict[str, Any]) -> None:
    assert erasebench.run(**words | {"method": TOY + "Clumsy"}).records == []
    (failed,) = [Record.read(path) for path in (words["out"] / "results").glob("*.json")]
    assert (failed.edit, failed.tuning) == (None, None)
