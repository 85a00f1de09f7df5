"""Which records may stand in one table, in which order, and under which name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from erasebench.identity import digest
from erasebench.metrics.columns import Column
from erasebench.results.record import ATTACKED, AVERAGE, UNEDITED, Record

_METHODS_OWN = {"erasure", "method", "segmenter"}
"""Digests of the manifest that differ between methods by nature; every other one has to agree within a table."""


@dataclass(frozen=True)
class Group:
    """Records that may be ranked against each other: the unedited model first, then by the primary metric."""

    records: tuple[Record, ...]
    labels: tuple[str, ...]
    columns: tuple[Column, ...]
    title: str

    @property
    def first(self) -> Record:
        return self.records[0]


def comparable(record: Record) -> dict[str, Any]:
    """Everything that two records must share to stand in one table; the method and its settings are not in it."""
    manifest = record.manifest
    return {
        "world": record.world,
        "suite": record.suite,
        "scale": record.scale,
        "size": record.size,
        "partial": record.partial,
        "concepts": digest(list(record.concepts)),
        **{f"{name} digest": value for name, value in sorted(manifest.digests.items()) if not _is_methods_own(name)},
        **manifest.profile.ranked,
        **manifest.sampling,
    }


def _is_methods_own(name: str) -> bool:
    return name in _METHODS_OWN or name.startswith(ATTACKED)


def standing(record: Record) -> str:
    """Digest of the table that a record stands in and of the method and variant that it stands there for."""
    return digest([record.method, record.variant, comparable(record)])


def without_repeats(records: Iterable[Record]) -> list[Record]:
    """The records but for what others hold: shipped ones whose method was run here, and done, in the same table; and
    erasings, one or several, that are among the erasings of a record of more.
    """
    listed = list(records)
    several = [(standing(record), _erasings(record)) for record in listed if record.repeats and record.status == "done"]
    # A record says itself which others it rests on: it stands for those of its own method in its own table alone.
    held = {
        id(record)
        for record in listed
        for place, erasings in several
        if _erasings(record) < erasings and standing(record) == place
    }
    listed = [record for record in listed if id(record) not in held]
    own = {standing(record) for record in listed if not record.shipped and record.status == "done"}
    return [record for record in listed if not (record.shipped and standing(record) in own)]


def _erasings(record: Record) -> frozenset[str]:
    """The identities of the runs that a record rests on."""
    return frozenset(repeat.identity for repeat in record.repeats) or frozenset([record.identity])


def groups(records: Iterable[Record], yours: Collection[str] = ()) -> list[Group]:
    """The records sorted into tables, the tables by suite, world, size and scale. Same records, same order.

    yours: ids of records whose label says that they are of this run.
    """
    tables: dict[str, list[Record]] = {}
    for record in sorted(records, key=lambda record: record.id):
        tables.setdefault(digest(comparable(record)), []).append(record)
    ordered = sorted(tables.values(), key=lambda table: (_place(table[0]), table[0].id))
    titles = _titles([table[0] for table in ordered])
    return [_group(table, title, yours) for table, title in zip(ordered, titles, strict=True)]


def labels_of(records: Sequence[Record], yours: Collection[str] = ()) -> tuple[str, ...]:
    """What each record is called: the user's label or the method's name, its variant where it has one, and its
    identity where two would agree."""
    plain = [_label(record, record.id in yours) for record in records]
    counts = Counter(plain)
    return tuple(
        f"{label} [{record.identity[:8]}]" if counts[label] > 1 else label
        for label, record in zip(plain, records, strict=True)
    )


def _group(table: list[Record], title: str, yours: Collection[str]) -> Group:
    ranked = tuple(sorted(table, key=_rank))
    return Group(ranked, labels_of(ranked, yours), columns_of(ranked), title)


def columns_of(records: Sequence[Record]) -> tuple[Column, ...]:
    """The declared columns that any of the records has a metric for, unscored ones included."""
    metrics = {name for record in records for name in record.metrics}
    declared = {column.key: column for record in records for column in record.table.columns}
    return tuple(found for column in declared.values() for found in column.matching(metrics))


def title_of(record: Record) -> str:
    """'10 concepts, small size' (or the name erased, or what is averaged), and that the run is partial where it is."""
    scale = f"{record.scale} concept{'s' * (record.scale != 1)}" if isinstance(record.scale, int) else record.scale
    if scale == AVERAGE:
        scale = f"{AVERAGE} over {len(record.concepts)} runs"
    return f"{scale}, {record.size} size" + ", partial run" * record.partial


def _label(record: Record, yours: bool = False) -> str:
    notes = ["yours"] * yours + [record.method] * (record.label is not None)
    notes += ["unedited"] * (record.method == UNEDITED)
    notes += [record.variant] * (record.variant != "default") + ["shipped"] * record.shipped
    if record.repeats:
        notes += ["same under every seed" if record.same_under_every_seed else f"{len(record.repeats)} erasings"]
    name = record.label or record.method
    return f"{name} ({', '.join(notes)})" if notes else name


def _rank(record: Record) -> tuple[Any, ...]:
    metric = record.metrics.get(record.table.primary_metric)
    value = metric.value if metric else None
    column = record.table.primary_column
    sign = -1.0 if column.direction == "up" else 1.0
    score = sign * value if value is not None else 0.0
    return (record.method != UNEDITED, value is None, score, _label(record), record.id)


def _place(record: Record) -> tuple[Any, ...]:
    number, name = (record.scale, "") if isinstance(record.scale, int) else (0, record.scale)
    return (record.suite, record.world, record.size == "full", name != AVERAGE, name, number)


def _titles(firsts: list[Record]) -> list[str]:
    """Scale and size; tables that would share a title say in it what sets them apart."""
    plain = [title_of(record) for record in firsts]
    whole = [(record.world, record.suite, title) for record, title in zip(firsts, plain, strict=True)]
    twins: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for key, record in zip(whole, firsts, strict=True):
        twins.setdefault(key, []).append(comparable(record))
    differ = {
        key: {name for name in {*chain(*group)} if len({str(twin.get(name)) for twin in group}) > 1}
        for key, group in twins.items()
    }
    titles = []
    for key, title, record in zip(whole, plain, firsts, strict=True):
        own = comparable(record)
        apart = [name for name in own if name in differ[key]]
        titles.append(title + "".join(f", {name.replace('_', ' ')} {str(own.get(name))[:8]}" for name in apart))
    return titles
