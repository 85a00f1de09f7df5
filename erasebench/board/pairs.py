"""The primary metric of every method against the best one's, on the same prompts and seeds."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from contextlib import suppress

from erasebench.api.value import MetricValue, Pairing, Unit
from erasebench.board.cells import interval_text
from erasebench.board.groups import Group
from erasebench.board.markup import Markdown
from erasebench.board.remembered import Differences, differences, key_of
from erasebench.console.scrubbing import failure_text
from erasebench.metrics.columns import Column
from erasebench.results.record import UNEDITED, Record

log = logging.getLogger(__name__)

_AFTER_NUMBER = re.compile(":[^ ]*")
BEST = "best"
NOT_DISTINGUISHED = "≈"
NOT_PAIRED = "not paired"
HOW_TO_READ = (
    f"**less the best's**: the primary metric minus that of the best method ({BEST}) on the same prompts and seeds, "
    "with the 95% interval of a paired comparison, which can distinguish methods whose own intervals overlap. "
    f"**{NOT_DISTINGUISHED}**: the interval contains 0, so this method cannot be distinguished from the best. "
    f"**{NOT_PAIRED}**: a record lacks the necessary data. There is no correction for comparing several methods."
)


def difference_cells(group: Group) -> list[Markdown] | None:
    """A cell for each record of the group; None where there are not two edited models of which a pair can be compared.

    The best is the first by primary metric; the unedited model does not compete.
    """
    if not makes_pairs(group):
        return None
    best, *others = _competing(group)
    column = group.first.table.primary_column
    known = differences()
    _compute_together(others, best, known)
    found = {record.id: paired_difference(record, best, known) for record in others}
    cells = [_cell(record, best, found.get(record.id), column) for record in group.records]
    return [Markdown(cell) for cell in cells]


def makes_pairs(group: Group) -> bool:
    """Whether the best of the group can be compared in pairs with any other edited model."""
    best, *others = _competing(group) or [group.first]
    return any(_pairs(record, best) for record in others)


def difference_heading(group: Group) -> str:
    """'H_c less the best's, %'."""
    column = group.first.table.primary_column
    return f"{column.title} less the best's" + ", %" * (column.scale == 100)


def paired_difference(record: Record, best: Record, known: Differences | None = None) -> MetricValue | None:
    """The primary metric of `record` minus that of `best`, two records of one group; None where they do not make pairs.

    None too, and said in the log, where no metric comes of what they keep. known: what was computed before.
    """
    ours, theirs = record.pairing, best.pairing
    if ours is None or theirs is None or not _pairs(record, best):
        return None
    unit = record.metrics[record.table.primary_metric].unit
    key = key_of(ours, theirs, unit)
    metric = known.get(key) if known else None
    try:
        if metric is None:
            metric = _difference(ours, theirs, unit)
            if known:
                known.put(key, metric)
        return _with_luck_of_training(metric, record, best)
    except (ArithmeticError, ValueError) as error:
        log.warning("%s cannot be compared with %s in pairs: %s", record.id, best.id, failure_text(error))
        return None


def _compute_together(records: Sequence[Record], best: Record, known: Differences) -> None:
    """Compute at once, for `known`, whatever it lacks and can be computed so; the rest is computed one by one."""
    theirs = best.pairing
    new: dict[tuple[Unit, tuple[tuple[str, bool], ...]], dict[str, Pairing]] = {}
    for record in records:
        ours = record.pairing
        if ours is None or theirs is None or not _pairs(record, best):
            continue
        unit = record.metrics[record.table.primary_metric].unit
        key = key_of(ours, theirs, unit)
        if known.get(key) is None:
            parts = tuple((name, part.fraction) for name, part in ours.parts.items())
            new.setdefault((unit, parts), {})[key] = ours
    if theirs is None or not new:
        return
    # Loaded late, as below.
    from erasebench.board.many_pairs import differences_from

    for (unit, _), pairings in new.items():
        # What cannot be computed is tried again alone, and said there.
        with suppress(ArithmeticError, ValueError):
            keys = list(pairings)
            for at, metric in differences_from(list(pairings.values()), theirs, unit).items():
                known.put(keys[at], metric)


def _with_luck_of_training(difference: MetricValue, record: Record, best: Record) -> MetricValue:
    """The difference of the means over seeds, wider by what each side's training adds; as it is for single erasings."""
    sides = [(side.metrics[side.table.primary_metric], len(side.repeats)) for side in (record, best)]
    luck = [(metric.spread, erasings) for metric, erasings in sides if metric.spread is not None]
    values = [metric.value for metric, _ in sides if metric.value is not None]
    if not luck or len(values) < len(sides):
        return difference
    from erasebench.metrics.statistics import repeated_difference

    return repeated_difference(difference, values[0] - values[1], luck)


def _difference(ours: Pairing, theirs: Pairing, unit: Unit) -> MetricValue:
    # Loaded late: an error message of the command line has no use for scipy.
    from erasebench.metrics.composites import FORMULAS
    from erasebench.metrics.statistics import Sample, difference_value

    formula, scale = FORMULAS[ours.formula], ours.scale
    first, second = ({name: Sample.from_tally(part) for name, part in side.parts.items()} for side in (ours, theirs))
    return difference_value(first, second, lambda **means: scale * formula(**means), unit=unit)


def misfit(pairing: Pairing) -> str | None:
    """Why the formula of a pairing cannot be computed from its parts; None where it can."""
    from erasebench.metrics.composites import FORMULAS

    try:
        FORMULAS[pairing.formula](**dict.fromkeys(pairing.parts, 0.5))
    except (TypeError, LookupError, ValueError):
        return f"{pairing.formula} is not computed from {', '.join(pairing.parts) or 'no parts'}"
    return None


def _pairs(record: Record, best: Record) -> bool:
    """Whether both keep what a pair takes: the same formula of the same parts on the same prompts or seeds."""
    ours, theirs = record.pairing, best.pairing
    return ours is not None and theirs is not None and _rests_on(ours) == _rests_on(theirs)


def _rests_on(side: Pairing) -> tuple[object, ...]:
    numbers = {name: _AFTER_NUMBER.sub("", part.by_cluster) for name, part in side.parts.items()}
    return side.formula, side.scale, numbers


def _competing(group: Group) -> list[Record]:
    return [record for record in group.records if record.method != UNEDITED and _value(record) is not None]


def _cell(record: Record, best: Record, difference: MetricValue | None, column: Column) -> str:
    if record is best:
        return BEST
    if record.method == UNEDITED:
        return "does not compete"
    if _value(record) is None:
        return "unscored"
    if difference is None:
        return NOT_PAIRED
    text = interval_text(difference, column)
    unclear = difference.low is not None and difference.high is not None and difference.low <= 0.0 <= difference.high
    return f"{text} {NOT_DISTINGUISHED}" if unclear else text


def _value(record: Record) -> float | None:
    metric = record.metrics.get(record.table.primary_metric)
    return metric.value if metric else None
