"""Where a table of the miniature orders the methods as the published one does, and where it does not.

Another model, other prompts and other judges: values are not compared, only which method is better than which.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from erasebench.api.value import MetricValue
from erasebench.board.cells import interval_text
from erasebench.board.groups import Group
from erasebench.board.markup import Markdown, escaped
from erasebench.board.tables import markdown_table
from erasebench.metrics.columns import Column
from erasebench.metrics.composites import COMPOSITES
from erasebench.results.published import PUBLISHED_COLUMNS, PublishedRow, published_rows, published_table
from erasebench.results.record import AVERAGE, UNEDITED, Record

WORLDS = "miniature"
"""How the worlds begin that stand in for the published model."""
FID = {"fid_30k": r"fid_(mini_)?[0-9]+"}
"""FID on 30,000 captions alone: `fid_1k` is another protocol's (between images before and after erasure)."""
COMPARED: dict[str, dict[str, str]] = {
    "celebrity": {"acc_e": r"acc_e", "acc_s": r"acc_s", "h_c": r"h_c", **FID},
    # The published accuracies are mean probabilities, as the reference script reports them.
    "object": {**{part: f"{part}_probability" for part in ("acc_e", "acc_s", "acc_g")}, "h_o": r"h_o"},
    "style": {"clip_e": r"clip_e", "clip_s": r"clip_s", "h_a": r"h_a", **FID},
    "explicit": {"total": r"detections_total", **FID},
}
"""By suite, published metrics, each with the metrics of ours that stand for it."""
FEWEST = 3
"""Methods below which there is no order to speak of."""


@dataclass(frozen=True)
class Pair:
    """A method with a published value and a metric here."""

    method: str
    published: float
    ours: MetricValue

    @property
    def value(self) -> float:
        """Our value."""
        return math.nan if self.ours.value is None else self.ours.value


@dataclass(frozen=True)
class Comparison:
    """One published metric beside the column of ours that stands for it."""

    metric: str
    column: Column
    pairs: tuple[Pair, ...]

    @property
    def ranked(self) -> tuple[Pair, ...]:
        """The edited models with a value: the unedited one does not compete."""
        return tuple(pair for pair in self.pairs if pair.method != UNEDITED and pair.ours.value is not None)

    def agreement(self) -> tuple[float, float]:
        """Kendall's tau-b and Spearman's rho of the two orders; NaN where one of them has no order."""
        # Loaded late: an error message of the command line has no use for scipy.
        from scipy.stats import kendalltau, spearmanr

        published, ours = [pair.published for pair in self.ranked], [pair.value for pair in self.ranked]
        if len(set(published)) < 2 or len(set(ours)) < 2:
            return math.nan, math.nan
        return float(kendalltau(published, ours).statistic), float(spearmanr(published, ours).statistic)

    def reversed_pairs(self) -> list[tuple[str, str]]:
        """(better as published, better here): what our two intervals, which do not touch, order the other way."""
        found = []
        for pair in combinations(self.ranked, 2):
            first, second = sorted(pair, key=lambda one: one.published)
            if first.published < second.published and _below(second.ours, first.ours):
                lower, higher = first.method, second.method
                found.append((lower, higher) if self.column.direction == "down" else (higher, lower))
        return found


def against_published(group: Group) -> str:
    """The section under a table on the miniature; '' where no two methods can be compared.

    An average over classes is none of them: the published one is over others.
    """
    first = group.first
    metrics = COMPARED.get(first.suite, {})
    if not metrics or not first.world.startswith(WORLDS) or first.scale == AVERAGE:
        return ""
    scale = f"{first.scale} words" if first.suite == "explicit" else str(first.scale)
    rows, source = _published(first.suite, scale, [record.method for record in group.records])
    records, twice = _unambiguous(group.records, rows)
    found = (_comparison(metric, key, group, records, rows) for metric, key in metrics.items())
    compared = [each for each in found if each]
    if not compared:
        return ""
    left_out = f" Left out, because they are in the table more than once: {', '.join(twice)}." if twice else ""
    composite = next((each.metric for each in compared if each.metric in COMPOSITES), None)
    title = "" if composite is None else PUBLISHED_COLUMNS[composite].title.split()[0]
    recomputed = f"; {title} is recomputed from its parts" if title else ""
    blocks = [
        "#### Against the published order",
        f"Published: {source}, Stable Diffusion v1.4. Another model, other prompts, other judges: only the order of "
        f"the methods is compared. Published values have no intervals{recomputed}.{left_out}",
        _table(compared, [record.method for record in records]),
        "\n".join(f"- {_line(each)}" for each in compared),
    ]
    return "\n\n".join(blocks)


def _published(suite: str, scale: str, methods: Sequence[str]) -> tuple[dict[str, PublishedRow], str]:
    """By method, the rows of the one source that has the most values of these methods at this scale, and its name.

    One source, because sources differ in judges and protocol, and an order mixed from several is nobody's.
    """
    table = published_table()
    here = (table.suite == suite) & (table.scale == scale) & table.method.isin(list(methods))
    counts = table[here & table.metric.isin(list(COMPARED[suite]))].groupby("source", sort=False).size()
    if counts.empty:
        return {}, ""
    chosen = str(counts.idxmax())
    rows = [row for row in published_rows(suite) if row.scale == scale and chosen in row.sources]
    return {row.method: row for row in rows if row.method in methods}, chosen


def _unambiguous(records: Sequence[Record], rows: dict[str, PublishedRow]) -> tuple[list[Record], list[str]]:
    """The published methods' records with their default settings, and the methods that have several of them."""
    default = [record for record in records if record.method in rows and record.variant == "default"]
    once, twice = [], []
    for method in dict.fromkeys(record.method for record in default):
        own = [record for record in default if record.method == method]
        # Settings given by hand are nobody's published method; the recipe's records know of their tuning.
        own = [record for record in own if record.tuning is not None or record.method == UNEDITED]
        if len(own) == 1:
            once.append(own[0])
        elif own:
            twice.append(method)
    return once, twice


def _comparison(
    metric: str, key: str, group: Group, records: Sequence[Record], rows: dict[str, PublishedRow]
) -> Comparison | None:
    column = next((column for column in group.columns if re.fullmatch(key, column.key)), None)
    if column is None:
        return None
    pairs = tuple(
        Pair(record.method, rows[record.method].values[metric], record.metrics[column.key])
        for record in records
        if metric in rows[record.method].values and column.key in record.metrics
    )
    found = Comparison(metric, column, pairs)
    return found if len(found.ranked) > 1 else None


def _below(one: MetricValue, other: MetricValue) -> bool:
    return one.high is not None and other.low is not None and one.high < other.low


def _table(compared: Sequence[Comparison], methods: Sequence[str]) -> str:
    headers = ["method"]
    for each in compared:
        headers += [f"{PUBLISHED_COLUMNS[each.metric].title} published", f"{each.column.heading} here"]
    body = []
    for method in methods:
        cells = [f"{method} (unedited)" if method == UNEDITED else escaped(method)]
        for each in compared:
            pair = next((pair for pair in each.pairs if pair.method == method), None)
            decimals = PUBLISHED_COLUMNS[each.metric].decimals
            if pair is None:
                cells += ["-", "-"]
            else:
                here = "unscored" if pair.ours.value is None else interval_text(pair.ours, each.column)
                cells += [f"{pair.published:,.{decimals}f}", here]
        body.append(cells)
    shown = [[Markdown(cell) for cell in cells] for cells in body if set(cells[1:]) != {"-"}]
    return markdown_table(headers, shown, left=1)


def _line(compared: Comparison) -> str:
    """'**Acc_e**, 8 methods: Kendall's tau 0.64, Spearman's rho 0.79. Reversed beyond both intervals: ...'."""
    n = len(compared.ranked)
    tau, rho = compared.agreement()
    if n < FEWEST:
        ranks = "too few for a rank agreement"
    elif math.isnan(tau):
        ranks = "no rank agreement, because all values of one side are equal"
    else:
        ranks = f"Kendall's tau {tau + 0.0:.2f}, Spearman's rho {rho + 0.0:.2f}"
    turned = ", ".join(f"{published} over {here}" for published, here in compared.reversed_pairs())
    pairs = math.comb(n, 2)
    given = f"published {turned}, here the other way" if turned else f"none of {pairs} pair{'s' * (pairs != 1)}"
    bare = sum(not pair.ours.has_interval for pair in compared.ranked)
    untold = f" Values without an interval here, which cannot show a reversal: {bare}." if bare else ""
    return (
        f"**{escaped(compared.column.title)}**, {n} methods: {ranks}. Reversed beyond both intervals: {given}.{untold}"
    )
