from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from erasebench.api.value import Edit, MetricValue
from erasebench.errors import UserError
from erasebench.results.record import Record, Tuning
from tests.sample_records import fraction, record, unscored


def test_a_record_comes_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    made = record(metrics={"acc_e": fraction(0.04, scored=96), "acc_s": unscored("no face in any image")})
    path = made.write(tmp_path)
    assert path == tmp_path / f"{made.id}.json"
    assert Record.read(path) == made
    assert json.loads(path.read_text())["schema_version"] == 2


def test_writing_a_record_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    first = record().write(tmp_path).read_bytes()
    assert Record.read(record().write(tmp_path)).write(tmp_path).read_bytes() == first


def test_the_id_reads_well_and_follows_the_identity() -> None:
    assert record(identity="ab" * 32).id == "miniature-celebrity-3-mace-abababab"
    ablation = record(identity="cd" * 32, variant="No focal sampling", partial=True, scale="Custom/1")
    assert ablation.id == "miniature-celebrity-custom-1-mace-no-focal-sampling-partial-cdcdcdcd"


def test_cost_is_the_largest_peak() -> None:
    assert record().peak_memory_bytes == 2_300_000_000
    assert record(stages={"judge": {"seconds": 1.0}}).peak_memory_bytes is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"value": 0.5, "low": 0.6, "high": 0.7, "n_scored": 1}, "outside its interval"),
        ({"value": 0.5, "low": 0.4, "n_scored": 1}, "both ends"),
        ({"value": None, "low": 0.4, "high": 0.5, "reason": "none", "n_scored": 0}, "both ends"),
        ({"value": None, "n_scored": 0}, "needs a reason"),
        ({"value": 0.5, "n_scored": 1}, "needs a reason"),
        ({"value": float("nan"), "reason": "none", "n_scored": 0}, "finite"),
        ({"value": 0.5, "low": 0.5, "high": 0.5, "n_scored": 101}, "101 images scored where 100"),
    ],
)
def test_a_figure_that_contradicts_itself_is_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        MetricValue.model_validate({"n_expected": 100, "unit": "fraction", **fields})


def test_a_spread_over_seeds_needs_two_erasings() -> None:
    metric = MetricValue(value=0.5, low=0.4, high=0.6, n_scored=9, n_expected=9, unit="fraction", spread=0.1)
    with pytest.raises(ValidationError, match="spread of acc_e over seeds needs two erasings, and there is one"):
        record(metrics={"acc_e": metric})


def test_a_failed_record_names_its_error_and_only_a_failed_one_does() -> None:
    assert record(status="failed", error="out of memory", metrics={}).error == "out of memory"
    for contradiction in ({"status": "failed"}, {"error": "none really"}):
        with pytest.raises(ValidationError, match="names its error"):
            record(**contradiction)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"schema_version": 1, "wor', "is not valid JSON"),
        ("[" * 100_000, "is not valid JSON"),
        ("[1, 2]", "has no schema_version"),
        ('{"model": "x"}', "has no schema_version"),
        ('{"schema_version": 3}', "schema version 3; this erasebench reads 1 and 2"),
        ('{"schema_version": 1}', "identity: Field required"),
    ],
)
def test_a_broken_or_foreign_file_is_named_with_what_to_do(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "broken.json"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        Record.read(path)
    assert str(path) in caught.value.what
    assert caught.value.hint


def test_a_field_of_the_wrong_type_is_named_by_its_place(tmp_path: Path) -> None:
    path = record().write(tmp_path)
    data = json.loads(path.read_text())
    data["metrics"]["acc_e"]["n_scored"] = "many"
    path.write_text(json.dumps(data))
    with pytest.raises(UserError, match=r"metrics\.acc_e\.n_scored"):
        Record.read(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.json cannot be read: No such file"):
        Record.read(tmp_path / "gone.json")


def test_the_parts_that_came_later_are_written_read_and_missing_in_older_records(tmp_path: Path) -> None:
    edit = Edit(tensors=2, values=9, unet_share=0.01, relative_change=0.5, sampling="negative-prompt", bytes=36)
    tuning = Tuning(split="miniature-validation", trials=4, kind="person")
    made = record(edit=edit, tuning=tuning)
    path = made.write(tmp_path)
    assert Record.read(path) == made
    data = json.loads(path.read_text())
    del data["edit"], data["tuning"]
    path.write_text(json.dumps(data))
    assert (Record.read(path).edit, Record.read(path).tuning) == (None, None)


@pytest.mark.parametrize("wrong", [{"unet_share": 1.1}, {"values": -1}, {"relative_change": float("nan")}])
def test_an_edit_of_an_impossible_size_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Edit.model_validate({"tensors": 1, "values": 1, "unet_share": 0.1, "relative_change": 0.1, "bytes": 4} | wrong)
