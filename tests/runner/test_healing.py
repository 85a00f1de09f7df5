"""A run cut short between any two writes of its end: the next run leaves what an uninterrupted one leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import erasebench
from erasebench.files import atomic

PAGES = ("README.md", "index.html")


class Cut(KeyboardInterrupt):
    """As Ctrl-C at this very moment."""


def leaderboard(out: Path) -> dict[str, Any]:
    """Every file of a leaderboard's folder; of records, all but what they cost."""
    found: dict[str, Any] = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*.png")}
    for path in out.rglob("*.json"):
        content = json.loads(path.read_text())
        del content["manifest"]["stages"], content["manifest"]["sampling_ratio"]
        found[path.relative_to(out).as_posix()] = content
    return found


def names(page: Path, stems: set[str]) -> set[str]:
    return {stem for stem in stems if stem in page.read_text()}


def test_cut_short_at_any_write_of_its_end_the_next_run_heals(
    words: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    erasebench.run(**words)
    whole = leaderboard(words["out"])
    stems = {Path(name).stem for name in whole}
    leave = atomic.atomic_write.__exit__
    wrote: list[Path] = []
    for point in range(1, 100):
        out = tmp_path / f"out-{point}"
        wrote.clear()

        def cutting(self: Any, *error: Any, at: int = point, out: Path = out) -> None:
            leave(self, *error)
            if out in self.path.parents and error[0] is None:
                wrote.append(self.path)
                if len(wrote) == at:
                    raise Cut

        with monkeypatch.context() as patch:
            patch.setattr(atomic.atomic_write, "__exit__", cutting)
            try:
                erasebench.run(**words | {"out": out})
                break
            except Cut:
                pass
        erasebench.run(**words | {"out": out})
        assert leaderboard(out) == whole, f"cut short after {wrote[-1]}"
        for page in PAGES:
            assert names(out / page, stems) == stems, f"{page}, cut short after {wrote[-1]}"
    assert point == 1 + 2 * 2 + 2, "two records, two sheets and two pages are written"


@pytest.mark.parametrize("lost", ["results", "sheets", *PAGES])
@pytest.mark.parametrize("how", ["removed", "emptied"])
def test_what_the_leaderboards_folder_lost_comes_back(words: dict[str, Any], lost: str, how: str) -> None:
    erasebench.run(**words)
    out = words["out"]
    whole = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    victim = out / lost if lost in PAGES else sorted((out / lost).iterdir())[0]
    victim.unlink() if how == "removed" else victim.write_bytes(b"")
    erasebench.run(**words)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == whole
