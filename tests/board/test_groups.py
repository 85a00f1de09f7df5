from __future__ import annotations

from typing import Any

import pytest

from erasebench.board.groups import groups
from erasebench.diffusion.profile import NumericsProfile
from erasebench.identity import digest
from tests.sample_records import distance, metrics, record, unscored


def test_the_unedited_model_leads_then_the_headline_ranks() -> None:
    records = [
        record("uce", metrics=metrics(0.02, 0.7, 0.82)),
        record("noise", metrics=metrics(0.0, 0.0, 0.0) | {"h_c": unscored("no face in any image")}),
        record("mace", metrics=metrics(0.04, 0.93, 0.945)),
        record("original", metrics=metrics(0.97, 0.98, 0.058)),
    ]
    (group,) = groups(records)
    assert group.labels == ("original (unedited)", "mace", "uce", "noise")
    assert groups(reversed(records)) == [group]


@pytest.mark.parametrize(
    "changes",
    [
        {"size": "full"},
        {"scale": 5},
        {"world": "stable-diffusion-v1-4"},
        {"partial": True},
        {"concepts": ("Ada Reed", "Ben Marsh", "Dan Holt")},
        {"profile": NumericsProfile(batch_size=64, dtype="bfloat16")},
        {"profile": NumericsProfile(batch_size=64, device_type="cuda")},
        {"sampling": {"scheduler": "ddim", "steps": 50}},
        {"digests": {"model": digest("another model"), "prompts": digest("prompts")}},
        {"digests": {"model": digest("model"), "prompts": digest("other prompts")}},
        {"digests": {"model": digest("model"), "prompts": digest("prompts"), "judge:face-id": digest("judge")}},
    ],
    ids=str,
)
def test_what_cannot_be_compared_stands_in_a_table_of_its_own(changes: dict[str, Any]) -> None:
    tables = groups([record("original"), record("mace", **changes)])
    assert sorted(group.labels for group in tables) == [("mace",), ("original (unedited)",)]
    assert len({(group.first.world, group.title) for group in tables}) == 2


def test_a_method_and_its_erasure_do_not_split_a_table() -> None:
    shared = {"model": digest("model"), "prompts": digest("prompts")}
    tables = groups(
        [
            record("original", digests=shared),
            record("mace", digests=shared | {"erasure": digest("a"), "segmenter": digest("s")}, config={"rank": 4}),
            record("uce", digests=shared | {"erasure": digest("b")}),
        ]
    )
    assert len(tables) == 1


def test_another_batch_size_is_the_same_table() -> None:
    """It changes last digits alone; the cached images of the one are not taken for the other's."""
    smaller = NumericsProfile(batch_size=32)
    (table,) = groups([record("original"), record("mace", profile=smaller)])
    assert table.labels == ("original (unedited)", "mace")


def test_tables_that_share_a_title_say_what_sets_them_apart() -> None:
    titles = [
        group.title for group in groups([record(), record(profile=NumericsProfile(batch_size=64, dtype="float16"))])
    ]
    assert sorted(titles) == ["3 concepts, small size, dtype float16", "3 concepts, small size, dtype float32"]


def test_runs_of_one_method_are_told_apart() -> None:
    labels = groups([record(variant="naive-fusion"), record(identity="a" * 64), record(identity="b" * 64)])[0].labels
    assert sorted(labels) == ["mace (naive-fusion)", "mace [aaaaaaaa]", "mace [bbbbbbbb]"]


def test_a_column_that_nobody_measured_is_left_out_and_every_n_has_its_own() -> None:
    lean = {name: metric for name, metric in metrics(0.1, 0.9, 0.9).items() if name != "no_face_e"}
    (group,) = groups([record("mace", metrics=lean), record("uce", metrics=lean | {"fid_mini_64": distance(20.0, 64)})])
    assert [column.title for column in group.columns] == [
        "Acc_e",
        "Acc_s",
        "H_c",
        "FID-mini (N=64)",
        "FID-mini (N=256)",
        "CLIP",
    ]


def test_tables_follow_world_size_and_scale() -> None:
    tables = groups([record(scale=100), record(scale=5, size="full"), record(scale="custom-1"), record(scale=5)])
    assert [group.title for group in tables] == [
        "5 concepts, small size",
        "100 concepts, small size",
        "custom-1, small size",
        "5 concepts, full size",
    ]
