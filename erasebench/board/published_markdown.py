"""The published values of a suite as markdown: tables of their own, marked as published, each row with its source."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from string import ascii_lowercase

from erasebench.board.markup import Markdown, escaped
from erasebench.board.tables import markdown_table
from erasebench.metrics.composites import COMPOSITES
from erasebench.results.published import PUBLISHED_COLUMNS, PublishedRow, column_notes, published_rows
from erasebench.results.record import UNEDITED


def published_section(suite: str, measured_scales: Collection[str]) -> str:
    """Everything published on a suite, a table per scale; scales that nobody measured here are folded. '' if none."""
    rows = published_rows(suite)
    if not rows:
        return ""
    sources = tuple(dict.fromkeys(source for row in rows for source in row.sources))
    of_columns = column_notes(suite)
    notes = tuple(dict.fromkeys(note for row in rows for note in row.notes if note not in of_columns.values()))
    blocks = [
        "### Published, not measured here",
        (
            "Stable Diffusion v1.4 values as their authors printed them. They come from another model, other prompts "
            "and other judges than the tables above, so the two are never ranked together. "
            "H metrics are recomputed from their parts; if the printed value differs, it is in parentheses."
        ),
    ]
    for scale in sorted(
        {row.scale for row in rows},
        key=lambda scale: (not scale.isdigit(), scale.zfill(6)),
    ):
        table = _table([row for row in rows if row.scale == scale], sources, notes)
        title = f"{scale} concept{'s' * (scale != '1')}" if scale.isdigit() else scale
        title = f"Published, Stable Diffusion v1.4: {title}"
        folded = scale not in measured_scales
        blocks.append(
            f"<details><summary>{title}</summary>\n\n{table}\n\n</details>" if folded else f"**{title}**\n\n{table}"
        )
    lines = [f"- [{number}] {source}" for number, source in enumerate(sources, start=1)]
    lines += [f"- [{letter}] {note}" for letter, note in zip(ascii_lowercase, notes, strict=False)]
    by_note: dict[str, list[str]] = {}
    for metric, note in of_columns.items():
        by_note.setdefault(note, []).append(PUBLISHED_COLUMNS[metric].title)
    lines += [f"- {'; '.join(titles)}: {note}" for note, titles in by_note.items()]
    blocks.append("Sources and notes:\n\n" + "\n".join(lines))
    return "\n\n".join(blocks)


def _table(rows: Sequence[PublishedRow], sources: Sequence[str], notes: Sequence[str]) -> str:
    metrics = [metric for metric in PUBLISHED_COLUMNS if any(metric in row.values for row in rows)]
    composite = next((metric for metric in metrics if metric in COMPOSITES), None)

    def rank(row: PublishedRow) -> tuple[bool, float]:
        score = row.values.get(composite, float("-inf")) if composite else 0.0
        return (row.method != UNEDITED, -score)

    headers = [
        "method",
        *(PUBLISHED_COLUMNS[metric].title for metric in metrics),
        "source",
    ]
    body = [
        [
            escaped(row.method)
            + "".join(f" [{ascii_lowercase[notes.index(note)]}]" for note in row.notes if note in notes),
            *(_cell(row, metric) for metric in metrics),
            "".join(f"[{number}]" for number, source in enumerate(sources, start=1) if source in row.sources),
        ]
        for row in sorted(rows, key=rank)
    ]
    return markdown_table(headers, [[Markdown(cell) for cell in row] for row in body], left=1)


def _cell(row: PublishedRow, metric: str) -> str:
    if metric not in row.values:
        return "-"
    decimals = PUBLISHED_COLUMNS[metric].decimals
    text = f"{row.values[metric]:,.{decimals}f}"
    return f"{text} (printed {row.printed[metric]:,.{decimals}f})" if metric in row.printed else text
