"""How a metric reads in a table: the value, its 95% interval, how many images it rests on, and what is best."""

from __future__ import annotations

from collections.abc import Sequence

from erasebench.api.value import MetricValue
from erasebench.board.groups import Group
from erasebench.board.markup import Markdown, escaped
from erasebench.metrics.columns import Column
from erasebench.results.record import UNEDITED

NOT_MEASURED = "not measured"


def metric_cell(metric: MetricValue | None, column: Column) -> Markdown:
    """'4.0 [1.2, 8.1]', with ', SD 0.8' over several erasings and ', 96 of 100' where images are missing.

    Else 'unscored (reason)' or 'not measured'.
    """
    if metric is None:
        return Markdown(NOT_MEASURED)
    if metric.value is None:
        return Markdown(f"unscored ({escaped(str(metric.reason))})")
    text = interval_text(metric, column)
    if metric.spread is not None:
        text += f", SD {_number(abs(metric.spread), column)}"
    if metric.n_scored != metric.n_expected:
        text += f", {metric.n_scored:,} of {metric.n_expected:,}"
    return Markdown(text)


def interval_text(metric: MetricValue, column: Column) -> str:
    """'4.0 [1.2, 8.1]'; without an interval the value alone."""
    ends = [_number(end, column) for end in (metric.low, metric.high) if end is not None]
    value = NOT_MEASURED if metric.value is None else _number(metric.value, column)
    return f"{value} [{', '.join(ends)}]" if ends else value


def metric_rows(group: Group) -> list[list[str]]:
    """One list of cells per record, one cell per column; as markdown with the clearly best ones bold, or plain."""
    rows: list[list[str]] = [[] for _ in group.records]
    for column in group.columns:
        metrics = [record.metrics.get(column.key) for record in group.records]
        # The unedited model is what the others are measured against; it does not compete.
        edited = [None if r.method == UNEDITED else f for r, f in zip(group.records, metrics, strict=True)]
        best = clearly_best(edited, column)
        for index, (row, metric) in enumerate(zip(rows, metrics, strict=True)):
            cell = metric_cell(metric, column)
            row.append(Markdown(f"**{cell}**" if index == best else cell))
    return rows


def clearly_best(metrics: Sequence[MetricValue | None], column: Column) -> int | None:
    """The index of the metric whose interval lies wholly on the better side of every other one's; None where none does.

    A rival without an interval leaves the matter open; an unscored one does not compete.
    """
    if column.direction is None:
        return None
    entrants = [(i, metric) for i, metric in enumerate(metrics) if metric is not None and metric.value is not None]
    if len(entrants) < 2 or not all(metric.has_interval for _, metric in entrants):
        return None
    sign = 1.0 if column.direction == "up" else -1.0
    spans = {i: sorted((sign * (metric.low or 0.0), sign * (metric.high or 0.0))) for i, metric in entrants}
    leader = max(spans, key=lambda i: spans[i][0])
    return leader if all(spans[leader][0] > high for i, (_, high) in spans.items() if i != leader) else None


def seconds_cell(seconds: float) -> str:
    """Whole seconds from ten up, one digit below."""
    return f"{seconds:,.0f}" if seconds >= 10 else f"{seconds:.1f}"


def memory_cell(peak: int | None) -> str:
    """Gigabytes (10^9 bytes)."""
    return NOT_MEASURED if peak is None else f"{peak / 1e9:.1f}"


def _number(value: float, column: Column) -> str:
    # Adding 0.0 turns the -0.0 that rounding a tiny negative leaves into 0.0.
    return f"{round(column.scale * value, column.decimals) + 0.0:.{column.decimals}f}"
