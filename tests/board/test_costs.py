"""What a method changed and how long it was tuned, beside its seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from erasebench.api.value import Edit
from erasebench.board import write_board
from erasebench.board.costs import changed_cell, cost_columns, trials_cell
from erasebench.board.groups import groups
from erasebench.results.record import Record, Tuning
from tests.board.test_board import table_after
from tests.sample_records import record


def edit(**changes: Any) -> Edit:
    weights = {"tensors": 32, "values": 4000, "unet_share": 0.0214, "relative_change": 0.0341, "bytes": 20_000}
    return Edit(**weights | changes)


def tuning(trials: int) -> Tuning:
    return Tuning(split="miniature-validation", trials=trials, kind="person")


NOTHING = edit(tensors=0, values=0, unet_share=0.0, relative_change=0.0, bytes=0)


@pytest.mark.parametrize(
    ("size", "cell"),
    [
        (edit(), "2.1% of the U-Net, 0.034 relative"),
        (edit(unet_share=1.0), "100.0% of the U-Net, 0.034 relative"),
        (edit(unet_share=0.0004), "0.04% of the U-Net, 0.034 relative"),
        (edit(unet_share=1e-8), "under 0.01% of the U-Net, 0.034 relative"),
        (edit(unet_share=0.0, text_encoder_share=0.5), "50.0% of the text encoder, 0.034 relative"),
        (edit(text_encoder_share=0.5), "2.1% of the U-Net and 50.0% of the text encoder, 0.034 relative"),
        (edit(relative_change=None), "2.1% of the U-Net, no finite size"),
        (edit(sampling="gated-adapters", bytes=1_234_000),
         "2.1% of the U-Net, 0.034 relative and while sampling, 1.2 MB"),
        (NOTHING, "nothing"),
        (NOTHING.model_copy(update={"sampling": "gated-adapters", "bytes": 1_234_000}), "none: while sampling, 1.2 MB"),
        (NOTHING.model_copy(update={"sampling": "gated-adapters", "bytes": 128}), "none: while sampling, 128 B"),
        (NOTHING.model_copy(update={"sampling": "gated-adapters", "bytes": 3 * 10**9}), "none: while sampling, 3.0 GB"),
        (NOTHING.model_copy(update={"sampling": "negative-prompt"}), "none: while sampling"),
        (None, "not measured"),
    ],
)  # fmt: skip
def test_an_edit_reads_at_a_glance(size: Edit | None, cell: str) -> None:
    assert changed_cell(record(edit=size)) == cell


def test_trials_are_told_from_none_and_from_settings_of_other_origin() -> None:
    found = [trials_cell(one) for one in (record(tuning=tuning(12)), record(tuning=tuning(0)), record())]
    assert found == ["12", "untuned", "-"]
    assert trials_cell(record("original")) == "none"


def shown() -> list[Record]:
    return [
        record("original", edit=NOTHING),
        record("mace", edit=edit(), tuning=tuning(12)),
        record("uce", tuning=tuning(0)),
    ]


def test_the_columns_stand_at_the_end_and_are_explained(tmp_path: Path) -> None:
    for one in shown():
        one.write(tmp_path / "results")
    text = write_board(tmp_path).read_text()
    header, *rows = table_after(text, "### miniature: 3 concepts")
    assert header[-5:] == ["erase, seconds", "sampling, times", "peak memory, GB", "changed", "trials"]
    assert {row[0]: row[-2:] for row in rows} == {
        "original (unedited)": ["nothing", "none"],
        "mace": ["2.1% of the U-Net, 0.034 relative", "12"],
        "uce": ["not measured", "untuned"],
    }
    assert "- **changed**: " in text
    assert "- **trials**: settings that were tried on miniature-validation" in text


def test_older_records_have_neither_column(tmp_path: Path) -> None:
    (group,) = groups([record("mace"), record("uce")])
    assert [heading for heading, _ in cost_columns(group)] == ["erase, seconds", "sampling, times", "peak memory, GB"]
    record().write(tmp_path / "results")
    text = write_board(tmp_path).read_text()
    assert "**changed**" not in text and "**trials**" not in text
    assert "- **erase, seconds**: " in text and "- **sampling, times**: " in text


def test_erasing_is_told_in_seconds_and_sampling_as_what_the_run_itself_measured() -> None:
    records = [
        record("original"),
        record("mace", sampling_ratio=1.0349),
        record("spm", sampling_ratio=2.5),
        record("uce"),
    ]
    (group,) = groups(records)
    columns = dict(cost_columns(group))
    cells = {
        label: (erase, times) for label, erase, times in zip(group.labels, *list(columns.values())[:2], strict=True)
    }
    assert list(columns)[:2] == ["erase, seconds", "sampling, times"]
    assert cells == {
        "original (unedited)": ("41", "1"),
        "mace": ("41", "1.03"),
        "spm": ("41", "2.50"),
        "uce": ("41", "-"),
    }
    assert cost_columns(groups([record(stages={})])[0])[0][1] == ["not measured"]
