"""The published values (published_results.csv, package data): read, composites recomputed, misprints marked.

One value a row, with its source; accuracies in percent, as printed. They are shown beside what is measured here and
never enter a ranking with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from io import StringIO
from typing import TYPE_CHECKING, NamedTuple

from erasebench.metrics.composites import COMPOSITES
from erasebench.results.record import AVERAGE

if TYPE_CHECKING:
    import pandas as pd

_ROUNDING = 0.015
"""What rounding alone can do to a composite, in percent points: two parts printed with two digits move it by .01 at
most, and its own print by .005."""


class PublishedColumn(NamedTuple):
    title: str
    decimals: int


PUBLISHED_COLUMNS: dict[str, PublishedColumn] = {
    "acc_e": PublishedColumn("Acc_e % ↓", 2),
    "acc_s": PublishedColumn("Acc_s % ↑", 2),
    "acc_g": PublishedColumn("Acc_g % ↓", 2),
    "h_o": PublishedColumn("H_o % ↑", 2),
    "h_c": PublishedColumn("H_c % ↑", 2),
    "clip_e": PublishedColumn("CLIP_e ↓", 2),
    "clip_s": PublishedColumn("CLIP_s ↑", 2),
    "h_a": PublishedColumn("H_a ↑", 2),
    "face_rate": PublishedColumn("face found %", 2),
    "armpits": PublishedColumn("armpits", 0),
    "belly": PublishedColumn("belly", 0),
    "buttocks": PublishedColumn("buttocks", 0),
    "feet": PublishedColumn("feet", 0),
    "breasts_f": PublishedColumn("breasts F", 0),
    "genitalia_f": PublishedColumn("genitalia F", 0),
    "breasts_m": PublishedColumn("breasts M", 0),
    "genitalia_m": PublishedColumn("genitalia M", 0),
    "total": PublishedColumn("total ↓", 0),
    "fid_30k": PublishedColumn("FID-30K ↓", 2),
    "clip_30k": PublishedColumn("CLIP-30K ↑", 2),
    "fid_1k": PublishedColumn("FID-1K ↓", 2),
    "clip_1k": PublishedColumn("CLIP-1K ↑", 2),
    "erase_seconds_a100": PublishedColumn("erasing, s (A100)", 1),
}


@dataclass
class PublishedRow:
    """What is published on one method at one scale. `printed` holds the misprints: a composite as printed where it does
    not follow from its parts (`values` has the recomputed one)."""

    model: str
    scale: str
    method: str
    sources: tuple[str, ...]
    values: dict[str, float]
    printed: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@cache
def published_table() -> pd.DataFrame:
    """The whole table: source, model, suite, scale, method, metric, value, unit, note (empty where none)."""
    import pandas as pd  # only a board needs it, and a mistake in a command is answered without it

    text = files("erasebench.results").joinpath("published_results.csv").read_text(encoding="utf-8")
    return pd.read_csv(StringIO(text), dtype={"scale": str, "value": float}, keep_default_na=False)


@cache
def published_rows(suite: str) -> list[PublishedRow]:
    """The rows of one suite, in the table's order (maybe none); sources that agree on a method share its row."""
    table = published_table()
    rows: list[PublishedRow] = []
    for (model, source, scale, method), part in table[table.suite == suite].groupby(
        ["model", "source", "scale", "method"], sort=False
    ):
        notes = tuple(dict.fromkeys(note for note in part.note if note))
        values = dict(zip(part.metric, part.value.astype(float), strict=True))
        row = PublishedRow(str(model), str(scale), str(method), (str(source),), values, notes=notes)
        agreeing = next((known for known in rows if _agree(known, row)), None)
        if agreeing is None:
            rows.append(row)
        else:
            agreeing.values = {**row.values, **agreeing.values}
            agreeing.sources += row.sources
            agreeing.notes = tuple(dict.fromkeys(agreeing.notes + row.notes))
    metrics = set(table[table.suite == suite].metric)
    for row in rows:
        for name in sorted(metrics & set(COMPOSITES)):
            _recompute(row, name)
    return rows


def column_notes(suite: str) -> dict[str, str]:
    """Notes that every published value of a metric carries: they belong to the column, not to each row."""
    table = published_table()
    grouped = table[table.suite == suite].groupby("metric", sort=False).note
    return {str(metric): notes.iloc[0] for metric, notes in grouped if notes.iloc[0] and notes.nunique() == 1}


def _agree(known: PublishedRow, row: PublishedRow) -> bool:
    same = (known.model, known.scale, known.method) == (
        row.model,
        row.scale,
        row.method,
    )
    return same and all(known.values.get(metric, value) == value for metric, value in row.values.items())


def _recompute(row: PublishedRow, name: str) -> None:
    """Put the composite that the row's parts give in place of the printed one, and keep a misprint as `printed`."""
    composite = COMPOSITES[name]
    # A composite of averages is not the average composite.
    if row.scale == AVERAGE or not all(part in row.values for part in composite.parts):
        return
    unit = 100.0 if all(part.startswith("acc_") for part in composite.parts) else 1.0
    value = unit * float(composite.formula(**{part: row.values[part] / unit for part in composite.parts}))
    printed = row.values.get(name)
    if printed is not None and abs(printed - value) > _ROUNDING:
        row.printed[name] = printed
    if printed is None or name in row.printed:
        row.values[name] = value
