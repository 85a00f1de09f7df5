"""The published order against hand-made records: agreement, reversals, and what is left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from erasebench.api.value import MetricValue
from erasebench.board import write_board
from erasebench.board.against_published import against_published
from erasebench.board.groups import groups
from erasebench.results.published import published_rows
from erasebench.results.record import UNEDITED, Record, Tuning
from tests.board.test_board import cells
from tests.sample_records import fraction, metrics, record, unscored

ORDER = ("uce", "esd-u", "mace", "esd-x", "sld-medium", "ca", "fmn")
"""By rising published Acc_e at 100 names."""


def made(method: str, acc_e: float, acc_s: float = 0.9, fid: float = 12.5, **changes: Any) -> Record:
    tuned = {} if method == UNEDITED else {"tuning": Tuning(split="miniature-validation", trials=6, kind="person")}
    return record(method, scale=100, metrics=metrics(acc_e, acc_s, 0.5, fid), **(tuned | changes))


def section(*records: Record) -> str:
    (group,) = groups(records)
    return against_published(group)


def line(text: str, title: str) -> str:
    (found,) = [line for line in text.splitlines() if line.startswith(f"- **{title}**")]
    return found


def rows(text: str) -> dict[str, list[str]]:
    table = [cells(line) for line in text.splitlines() if line.startswith("| ")]
    return {row[0]: row[1:] for row in table}


def test_the_published_order_in_full() -> None:
    text = section(*(made(method, 0.1 * (i + 1)) for i, method in enumerate(ORDER)))
    assert text.startswith("#### Against the published order\n\nPublished: ANT, arXiv 2504.12782, Table 2, ")
    assert line(text, "Acc_e") == (
        "- **Acc_e**, 7 methods: Kendall's tau 1.00, Spearman's rho 1.00. "
        "Reversed beyond both intervals: none of 21 pairs."
    )
    assert "no rank agreement, because all values of one side are equal" in line(text, "Acc_s")


def test_the_order_upside_down_reverses_every_pair() -> None:
    text = section(*(made(method, 0.9 - 0.1 * i) for i, method in enumerate(("uce", "mace", "fmn"))))
    given, _, turned = line(text, "Acc_e").partition(" Reversed beyond both intervals: published ")
    assert given == "- **Acc_e**, 3 methods: Kendall's tau -1.00, Spearman's rho -1.00."
    pairs = turned.removesuffix(", here the other way.").split(", ")
    assert sorted(pairs) == ["mace over fmn", "uce over fmn", "uce over mace"]


def test_intervals_that_touch_reverse_nothing() -> None:
    text = section(made("uce", 0.34), made("mace", 0.30), made("fmn", 0.10))
    given = line(text, "Acc_e")
    assert "Kendall's tau -1.00" in given
    assert "uce over fmn" in given and "mace over fmn" in given
    assert "uce over mace" not in given


def test_more_is_better_where_the_column_says_so() -> None:
    text = section(made("mace", 0.1, 0.3), made("uce", 0.1, 0.8), made("esd-x", 0.1, 0.5))
    assert "published mace over esd-x, mace over uce, here the other way" in line(text, "Acc_s")


def test_values_stand_side_by_side_and_the_unedited_model_is_not_ranked() -> None:
    text = section(made("original", 0.97), made("mace", 0.05), made("uce", 0.6), made("salun", 0.5))
    table = rows(text)
    assert table["method"][:2] == ["Acc_e % ↓ published", "Acc_e, % ↓ here"]
    assert table["method"][-2:] == ["FID-30K ↓ published", "FID-mini (N=256) ↓ here"]
    assert table["mace"][:2] == ["4.30", "5.0 [2.0, 8.0]"]
    assert table["original (unedited)"][0] == "96.48"
    assert "salun" not in table
    assert "2 methods: too few for a rank agreement" in line(text, "Acc_e")
    assert "published uce over mace, here the other way" in line(text, "Acc_e")


def test_values_without_an_interval_reverse_nothing() -> None:
    text = section(made("mace", 0.1, fid=9.0), made("uce", 0.1, fid=5.0), made("fmn", 0.1, fid=7.0))
    given = line(text, "FID-mini (N=256)")
    assert "Kendall's tau -1.00" in given
    assert given.endswith("none of 3 pairs. Values without an interval here, which cannot show a reversal: 3.")


def test_a_published_fid_of_another_protocol_is_not_compared() -> None:
    text = section(made("rece", 0.1), made("mace", 0.2), made("uce", 0.3))
    assert rows(text)["rece"][-2:] == ["-", "-"]
    assert rows(text)["rece"][0] == "2.43"
    assert ("3 methods" in line(text, "Acc_e"), "2 methods" in line(text, "FID-mini (N=256)")) == (True, True)


def test_a_misprinted_composite_is_compared_as_recomputed() -> None:
    text = section(made("esd-u", 0.1), made("mace", 0.2))
    recomputed = next(row for row in published_rows("celebrity") if row.method == "esd-u" and row.scale == "100")
    assert rows(text)["esd-u"][4] == f"{recomputed.values['h_c']:.2f}" == "55.55"


def test_what_could_not_be_scored_is_not_ranked() -> None:
    blind = made("mace", 0.1).model_copy(update={"metrics": metrics(0, 0, 0) | {"acc_e": unscored("no face")}})
    text = section(blind, made("uce", 0.2), made("fmn", 0.9))
    assert rows(text)["mace"][:2] == ["4.30", "unscored"]
    assert "2 methods" in line(text, "Acc_e")


def test_another_recipe_is_left_out_and_so_is_a_method_that_stands_there_twice() -> None:
    others = [made("uce", 0.3), made("fmn", 0.9), made("mace", 0.1, variant="as-released")]
    assert "mace" not in rows(section(*others))
    twice = [made("mace", 0.1), made("mace", 0.2)]
    text = section(*others, *twice)
    assert "Left out, because they are in the table more than once: mace." in text
    assert "mace" not in rows(text)
    by_hand = made("mace", 0.1, tuning=None)
    assert rows(section(*others, by_hand, made("mace", 0.2)))["mace"][1] == "20.0 [17.0, 23.0]"
    alone = section(*others, by_hand)
    assert "mace" not in rows(alone) and "more than once" not in alone


@pytest.mark.parametrize(
    "changes",
    [{"world": "stable-diffusion-v1-4"}, {"suite": "my-own"}, {"scale": 50}, {"scale": "average"}, {"method": "salun"}],
    ids=lambda changes: str(changes),
)
def test_there_is_no_section_where_nothing_compares(changes: dict[str, Any]) -> None:
    one, other = made("uce", 0.1), made("mace", 0.2)
    assert section(one, other)
    assert section(one.model_copy(update={k: v for k, v in changes.items() if k != "method"}),
                   other.model_copy(update=changes)) == ""  # fmt: skip


def with_columns(one: Record, keys: list[str]) -> Record:
    """The same with metrics and columns of other names, in order."""
    made = dict(zip(keys, one.metrics.values(), strict=False))
    columns = [c.model_copy(update={"key": k, "title": k}) for c, k in zip(one.table.columns, keys, strict=False)]
    return one.model_copy(
        update={"metrics": made, "table": one.table.model_copy(update={"columns": columns, "primary_metric": keys[0]})}
    )


@pytest.mark.parametrize(
    ("suite", "scale", "key", "published"),
    [
        ("object", "cat", "acc_e_probability", {"mace": "2.22", "uce": "2.35"}),
        ("style", 100, "clip_e", {"mace": "22.59", "uce": "21.31"}),
        ("explicit", 4, "detections_total", {"mace": "111", "uce": "182"}),
    ],
)
def test_every_suite_is_compared(suite: str, scale: int | str, key: str, published: dict[str, str]) -> None:
    records = [
        with_columns(made(method, 0.1), [key, "else"]).model_copy(update={"suite": suite, "scale": scale})
        for method in ("mace", "uce", "fmn")
    ]
    found = rows(section(*records))
    assert {method: found[method][0] for method in published} == published


def test_at_ten_names_only_what_is_published_is_compared() -> None:
    ten = [one.model_copy(update={"scale": 10}) for one in (made("mace", 0.1), made("uce", 0.2), made("esd-x", 0.3))]
    text = section(*ten)
    assert "public issue 16" in text
    assert rows(text)["method"] == ["Acc_e % ↓ published", "Acc_e, % ↓ here"]


def test_the_section_stands_under_its_table_and_partial_runs_have_none(tmp_path: Path) -> None:
    for one in (made("mace", 0.1), made("uce", 0.2), made("fmn", 0.9, partial=True)):
        one.write(tmp_path / "results")
    text = write_board(tmp_path).read_text()
    assert text.count("#### Against the published order") == 1
    start = text.index("#### Against the published order")
    assert text.index("### miniature: 100 concepts") < start < text.index("### Partial runs, not ranked")
    assert "fmn" not in rows(text[start : text.index("### Partial runs")])


def test_the_record_alone_decides() -> None:
    wide = MetricValue(value=0.9, low=0.2, high=1.0, n_scored=9, n_expected=9, unit="fraction")
    unsure = made("uce", 0.9).model_copy(update={"metrics": metrics(0.9, 0.9, 0.5) | {"acc_e": wide}})
    sure = made("uce", 0.9).model_copy(update={"metrics": metrics(0.9, 0.9, 0.5) | {"acc_e": fraction(0.9)}})
    mace = made("mace", 0.3)
    assert "none of 1 pair." in line(section(unsure, mace), "Acc_e")
    assert "published uce over mace" in line(section(sure, mace), "Acc_e")
