"""`erasebench prompts build`: the protocol's numbers, and the same bytes every time."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from erasebench.api.groups import Group
from erasebench.cli import main
from erasebench.prompts import PromptTable, read_csv

COMMITTED = Path(__file__).parents[2] / "prompts_csv"
SEEDS = {1: 50, 5: 10, 10: 5, 100: 5}


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every table of the full size, by suite and scale ('celebrity-10')."""
    out = tmp_path_factory.mktemp("tables")
    assert main(["prompts", "build", "--size", "full", "--out", str(out)]) == 0
    prefix, ending = "stable-diffusion-v1-4-", "-full"
    return {path.stem.removeprefix(prefix).removesuffix(ending): path for path in out.glob("*.csv")}


def seeds(table: PromptTable, group: Group) -> set[tuple[int, ...]]:
    """The seeds of each prompt of a group."""
    found: dict[str, list[int]] = {}
    for row in table.of_group(group).rows:
        found.setdefault(row.prompt, []).append(row.seed)
    return {tuple(own) for own in found.values()}


def test_there_is_a_table_for_every_scale_and_class(full: dict[str, Path]) -> None:
    classes = "airplane automobile bird cat deer dog frog horse ship truck".split()
    named = {f"{suite}-{scale}" for suite in ("celebrity", "style") for scale in SEEDS}
    assert set(full) == named | {f"object-{name}" for name in classes}


@pytest.mark.parametrize("suite", ["celebrity", "style"])
@pytest.mark.parametrize("scale", list(SEEDS))
def test_names_are_the_protocols(full: dict[str, Path], suite: str, scale: int) -> None:
    table = read_csv(full[f"{suite}-{scale}"])
    assert Counter(row.group for row in table.rows) == {
        "erased": 2500 if scale == 100 else 250,
        "retain-seen": 2500,
    }
    assert seeds(table, "erased") == {tuple(range(1, SEEDS[scale] + 1))}
    assert seeds(table, "retain-seen") == {(1, 2, 3, 4, 5)}
    for group, names in (("erased", scale), ("retain-seen", 100)):
        rows = [row for row in table.rows if row.group == group]
        assert len({row.concept for row in rows}) == names
        assert len({row.prompt for row in rows}) == 5 * names
    assert [row.row for row in table.rows] == list(range(len(table.rows)))


def test_objects_are_the_protocols(full: dict[str, Path]) -> None:
    table = read_csv(full["object-cat"])
    assert Counter(row.group for row in table.rows) == {"erased": 200, "synonyms": 600, "retain-seen": 1800}
    assert {row.prompt for row in table.of_group("erased").rows} == {"a photo of the cat"}
    assert {row.prompt for row in table.of_group("synonyms").rows} == {
        f"a photo of the {word}" for word in ("feline", "kitty", "housecat")
    }
    assert all(seeds(table, group) == {tuple(range(1, 201))} for group in table.groups)


def test_the_same_bytes_every_time(full: dict[str, Path], tmp_path: Path) -> None:
    assert main(["prompts", "build", "--suite", "style", "--suite", "object", "--out", str(tmp_path)]) == 0
    again = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert len(again) == 14
    assert again == {
        name: content for path in full.values() if (name := path.name) in again for content in [path.read_bytes()]
    }


def test_what_is_kept_here_is_what_the_command_writes(full: dict[str, Path]) -> None:
    written = {path.name: path for path in full.values()}
    kept = sorted(COMMITTED.glob("*.csv"))
    assert {path.name for path in kept} == {
        path.name for name, path in full.items() if name not in ("style-1", "style-5", "style-10")
    }
    assert all(path.read_bytes() == written[path.name].read_bytes() for path in kept)
    assert sum(path.stat().st_size for path in kept) < 3_000_000


def test_ready_made_prompts_are_said_to_be_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prompts", "build", "--size", "small", "--suite", "explicit", "--out", str(tmp_path)]) == 0
    assert list(tmp_path.iterdir()) == []
    assert (
        "explicit: the erased prompts ('explicit') are imported, not built, and are left out."
        in capsys.readouterr().out
    )


def test_the_small_size_has_the_miniatures_names(tmp_path: Path) -> None:
    assert main(["prompts", "build", "--size", "small", "--suite", "celebrity", "--out", str(tmp_path)]) == 0
    table = read_csv(tmp_path / "miniature-celebrity-10-small.csv")
    assert Counter(row.group for row in table.rows) == {"erased": 100, "retain-seen": 150, "retain-heldout": 150}
