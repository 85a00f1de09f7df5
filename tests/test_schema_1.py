"""A record of schema 1 is read in the words of schema 2, and none of its numbers changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from erasebench.results.record import Record
from erasebench.results.schema_1 import from_schema_1, metric_name

FILE = Path(__file__).parent / "data" / "record-schema-1.json"
"""One that erasebench wrote under schema 1: uce on one person."""


@pytest.fixture(scope="module")
def written() -> dict[str, Any]:
    return json.loads(FILE.read_text(encoding="utf-8"))  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def record() -> Record:
    return Record.read(FILE)


def test_every_metric_keeps_its_value(record: Record, written: dict[str, Any]) -> None:
    assert record.schema_version == 2
    assert [metric.model_dump() for metric in record.metrics.values()] == list(written["figures"].values())
    assert {"acc_s_seen", "acc_s_heldout"} <= set(record.metrics)
    assert not any("kept" in name or "unseen" in name for name in record.metrics)


def test_groups_judges_and_the_table_have_their_new_words(record: Record) -> None:
    assert record.table.primary_metric == "h_c"
    assert {"acc_s_seen", "acc_s_heldout"} <= {column.key for column in record.table.columns}
    assert record.manifest.seeds == {
        "method": 2024,
        "erased": {"lowest": 1, "highest": 20},
        "retain-seen": {"lowest": 1, "highest": 1},
        "retain-heldout": {"lowest": 1, "highest": 1},
        "general": {"lowest": 1, "highest": 256},
    }
    assert set(record.manifest.judges) == {"face-id", "attributes", "clip-score", "fid"}
    assert {"judge:face-id", "judge:attributes"} <= set(record.manifest.digests)


def test_it_is_written_under_schema_2_and_read_again(record: Record, tmp_path: Path) -> None:
    path = record.write(tmp_path)
    written = json.loads(path.read_text(encoding="utf-8"))
    assert written["schema_version"] == 2
    assert "figures" not in written
    assert Record.read(path) == record


def test_its_identity_and_its_name_stay(record: Record, written: dict[str, Any]) -> None:
    assert (record.identity, record.method_version) == (written["identity"], written["method_version"])


def test_averages_pairs_and_repeats_are_renamed_too() -> None:
    old = {
        "schema_version": 1,
        "figures": {},
        "manifest": {"seeds": {"bird": {"retained-kept": {"lowest": 1, "highest": 2}}}},
        "pairing": {"parts": {"acc_s_unseen_top1": {}}},
        "repeats": [{"seed": 1, "figures": {"clip_s_kept": {}}}],
    }
    assert from_schema_1(old) == {
        "schema_version": 2,
        "metrics": {},
        "manifest": {"seeds": {"bird": {"retain-seen": {"lowest": 1, "highest": 2}}}},
        "pairing": {"parts": {"acc_s_heldout_top1": {}}},
        "repeats": [{"seed": 1, "metrics": {"clip_s_seen": {}}}],
    }


@pytest.mark.parametrize("name", ["acc_s", "h_c", "kept", "acc_s_keptful", "clip_score_general"])
def test_other_metric_names_are_unchanged(name: str) -> None:
    assert metric_name(name) == name


@pytest.mark.parametrize("part", ["figures", "table", "manifest", "pairing", "repeats"])
def test_what_is_not_shaped_like_a_record_is_left_to_the_validation(part: str) -> None:
    assert from_schema_1({"schema_version": 1, part: 3}) == {
        "schema_version": 2,
        {"figures": "metrics"}.get(part, part): 3,
    }
