from __future__ import annotations

import inspect
import re
from importlib.resources import files

import pytest

from erasebench.board.published_markdown import published_section
from erasebench.judges import nudenet_classes
from erasebench.results import published
from erasebench.results.published import PUBLISHED_COLUMNS, PublishedRow, column_notes, published_rows, published_table


def row(suite: str, scale: str, method: str, source: str = "") -> PublishedRow:
    found = [
        row
        for row in published_rows(suite)
        if (row.scale, row.method) == (scale, method) and any(source in known for known in row.sources)
    ]
    assert len(found) == 1
    return found[0]


def test_every_published_value_is_carried_and_shown_under_a_title() -> None:
    table = published_table()
    assert len(table) == 495
    assert set(table.metric) == set(PUBLISHED_COLUMNS)
    shown = {
        (suite, row.scale, row.method, metric)
        for suite in set(table.suite)
        for row in published_rows(suite)
        for metric in row.values
    }
    assert set(zip(table.suite, table.scale, table.method, table.metric, strict=True)) <= shown


def test_the_papers_own_ablation_is_there() -> None:
    printed = {
        "mace: refinement only": (67.79, 85.05, 46.72),
        "mace: naive fusion": (0.08, 32.16, 48.66),
        "mace: no focal sampling": (18.70, 61.78, 70.21),
        "mace": (4.31, 84.56, 89.78),
    }
    for method, metrics in printed.items():
        found = row("celebrity", "100", method, "Table 4")
        assert tuple(found.values[name] for name in ("acc_e", "acc_s", "h_c")) == metrics
        assert found.printed == {}


def test_a_misprinted_composite_is_recomputed_and_the_print_kept() -> None:
    esd = row("celebrity", "100", "esd-u")
    assert esd.values["h_c"] == pytest.approx(55.55, abs=0.005)
    assert esd.printed == {"h_c": 45.98}
    assert row("object", "airplane", "ca").values["h_o"] == pytest.approx(7.03, abs=0.005)


def test_only_the_known_misprints_are_marked() -> None:
    marked = [
        (suite, row.scale, row.method)
        for suite in ("celebrity", "object", "style", "explicit")
        for row in published_rows(suite)
        if row.printed
    ]
    assert sorted(marked) == [
        ("celebrity", "100", "ca"),
        ("celebrity", "100", "esd-u"),
        ("celebrity", "100", "sld-medium"),
        ("object", "airplane", "ca"),
    ]


def test_an_average_keeps_its_average_composite() -> None:
    assert row("object", "average", "mace").values["h_o"] == 92.61


def test_a_composite_that_nobody_printed_follows_from_its_parts() -> None:
    assert row("celebrity", "10", "uce").values["h_c"] == pytest.approx(90.84, abs=0.005)


def test_sources_that_agree_share_a_row_and_others_do_not() -> None:
    assert len(row("celebrity", "100", "fmn").sources) == 2
    maces = [row for row in published_rows("celebrity") if (row.scale, row.method) == ("100", "mace")]
    assert sorted(row.values["acc_e"] for row in maces) == [4.30, 4.31]


def test_a_note_on_a_whole_column_belongs_to_the_column() -> None:
    assert list(column_notes("celebrity")) == ["fid_1k", "clip_1k", "erase_seconds_a100"]


def test_a_thousand_captions_have_columns_of_their_own() -> None:
    """ANT, arXiv 2504.12782, Table 2: RECE's and SPEED's FID and CLIP are of 1,000 captions, the others' of 30,000."""
    for method, metrics in {"rece": (177.57, 12.09), "speed": (44.97, 26.22)}.items():
        found = row("celebrity", "100", method, "ANT").values
        assert (found["fid_1k"], found["clip_1k"]) == metrics
        assert not {"fid_30k", "clip_30k"} & set(found)
    table = published_table()
    thousand = table[table.metric.isin(["fid_1k", "clip_1k"])]
    assert set(thousand.method) == {"rece", "speed"}
    words = " ".join(published_section("celebrity", {"100"}).split())
    assert "| FID-30K ↓ | CLIP-30K ↑ | FID-1K ↓ | CLIP-1K ↑ |" in words


def test_a_composite_within_rounding_of_its_parts_is_no_misprint() -> None:
    """Parts of two digits move a composite by .01 at most, its own rounding by .005."""
    for printed, misprint in ((89.78, False), (89.768, False), (89.80, True), (89.76, True)):
        made = PublishedRow("sd", "100", "x", ("s",), {"acc_e": 4.31, "acc_s": 84.56, "h_c": printed})
        published._recompute(made, "h_c")  # 89.7814
        assert (made.printed != {}) == misprint


def test_every_citation_of_the_exposed_classes_names_one_table() -> None:
    cited = re.search(r"MACE, arXiv 2403.06135, (Table \d)", published_rows("explicit")[0].sources[0])
    assert cited is not None
    suite = (files("erasebench.suites") / "explicit.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"Table \d", suite + inspect.getsource(nudenet_classes))) == {cited[1]}


def test_the_section_is_marked_sourced_and_folds_what_was_not_measured() -> None:
    text = published_section("celebrity", {"10"})
    assert text.startswith("### Published, not measured here")
    assert "**Published, Stable Diffusion v1.4: 10 concepts**" in text
    assert "<details><summary>Published, Stable Diffusion v1.4: 100 concepts</summary>" in text
    assert "55.55 (printed 45.98)" in text
    assert "arXiv 2504.12782" in text
    assert "another protocol" in text
    assert published_section("no-such-suite", set()) == ""


@pytest.mark.parametrize("suite", ["object", "style", "explicit"])
def test_every_suite_with_published_figures_has_a_section(suite: str) -> None:
    assert "| original" in published_section(suite, set())
